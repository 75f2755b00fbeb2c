import { systemClock } from '../core/index.ts'
import type { Clock, Problem } from '../core/index.ts'
import { FileSource } from '../sources/index.ts'
import { CertificateList, certificateProblems } from './certificates.ts'
import { emptyPathProblems } from './config-paths.ts'
import { NetworkPolicies } from './network-policies.ts'

/** What `heddle check` found in a configuration that nobody runs. */
export interface CheckReport {
  /** Errors first, in the order of files and lines otherwise. */
  readonly problems: readonly Problem[]
  /** What the mesh would have. */
  readonly counts: {
    readonly listeners: number
    readonly routes: number
    readonly services: number
    readonly workloads: number
    readonly networkPolicies: number
  }
}

/** Reads and judges the files as the agent would, and starts nothing. */
export async function checkFiles(paths: readonly string[], clock: Clock = systemClock): Promise<CheckReport> {
  await using source = await FileSource.open({ paths })
  const { problems, snapshot, workloads, networkPolicies } = source.current
  const policies = new NetworkPolicies()
  policies.update(networkPolicies)
  const wallMs = clock.wallMs()
  const expiring = certificateProblems(new CertificateList().list(snapshot, wallMs), wallMs)
  return {
    problems: [...problems, ...policies.problems(), ...expiring, ...emptyPathProblems(source)].toSorted(
      (a, b) => rank(a) - rank(b),
    ),
    counts: {
      listeners: [...snapshot.listeners.values()].filter(({ kind }) => kind === 'gateway').length,
      routes: [...snapshot.routes.keys(), ...snapshot.streamRoutes.keys()].filter(key => !key.startsWith('Service '))
        .length,
      services: new Set([...snapshot.backends.values()].map(each => `${each.namespace}/${each.service}`)).size,
      workloads: workloads.length,
      networkPolicies: networkPolicies.policies.length,
    },
  }
}

function rank(problem: Problem): number {
  return problem.severity === 'error' ? 0 : 1
}
