import type { SourceState } from '../sources/index.ts'
import { serviceEnvironment } from './programs/service-environment.ts'
import { problemsOf } from './workload-leases.ts'
import type { RunRequest } from './workload-leases.ts'

/** What `heddle run` is told when its workload is registered. */
export interface RunAnswer {
  /** `namespace/name` */
  readonly workload: string
  readonly env: Readonly<Record<string, string>>
  readonly problems: readonly string[]
  /** Backends that the workload now serves. */
  readonly services: readonly string[]
  /** Folder of the cgroup that the program has to run in; undefined where there is none. */
  readonly cgroup: string | undefined
}

/** @param state  the configuration with the workload in it */
export function answerRun(request: RunRequest, state: SourceState, cgroup: string | undefined): RunAnswer {
  return {
    workload: `${request.namespace}/${request.name}`,
    env: serviceEnvironment(request.namespace, state.serviceAddresses),
    problems: problemsOf(request, state.problems).map(({ message }) => message),
    services: servicesOf(request, state),
    cgroup,
  }
}

function servicesOf(request: RunRequest, { snapshot }: SourceState): readonly string[] {
  const backends = [...snapshot.backends.values()]
  return backends
    .filter(
      ({ namespace, endpoints }) =>
        namespace === request.namespace &&
        endpoints.some(({ workload, port }) => workload === request.name && port === request.port),
    )
    .map(({ key }) => key)
}
