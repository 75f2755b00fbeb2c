import { controllerName, type ResourceStatus } from '../../model/index.ts'
import type { GatewayClassResource } from '../schema/resource.ts'
import { condition, fails, holds, type Verdict } from './conditions.ts'
import { didYouMean } from './name-index.ts'
import type { Finding } from './problems.ts'

/** The class that serves Gateways when the files hold no GatewayClass at all, so that a laptop needs none. */
export const builtInClass = 'heddle'

export interface ClassTable {
  /** What a Gateway of a class is to us. */
  classOf(name: string): 'accepted' | 'refused' | 'foreign' | 'missing'
  /** ` did you mean …`, for a class that is missing. */
  suggest(name: string): string
  readonly statuses: readonly ResourceStatus[]
  readonly findings: readonly Finding[]
}

/** @param isBuiltInUsed  whether some Gateway names the built-in class; only then it has a status */
export function judgeClasses(classes: readonly GatewayClassResource[], isBuiltInUsed: boolean): ClassTable {
  const table = new Map<string, 'accepted' | 'refused' | 'foreign'>()
  const statuses: ResourceStatus[] = []
  const findings: Finding[] = []
  for (const resource of classes) {
    const { name, generation } = resource.metadata
    if (resource.spec.controllerName !== controllerName) {
      table.set(name, 'foreign')
      continue
    }
    const { parametersRef } = resource.spec
    let accepted = holds('Accepted')
    if (parametersRef !== undefined) {
      const message = `no parameters ${parametersRef.group}/${parametersRef.kind} ${parametersRef.name}: a GatewayClass takes none`
      accepted = fails('InvalidParameters', message)
      findings.push({ resource, severity: 'error', path: 'spec.parametersRef', message })
    }
    table.set(name, parametersRef === undefined ? 'accepted' : 'refused')
    statuses.push(classStatus(name, generation, accepted))
  }
  if (classes.length === 0) {
    table.set(builtInClass, 'accepted')
    if (isBuiltInUsed) statuses.push(classStatus(builtInClass, 1, holds('Accepted', 'built in')))
  }
  return {
    classOf: name => table.get(name) ?? 'missing',
    suggest: name => didYouMean(name, table.keys()),
    statuses,
    findings,
  }
}

function classStatus(name: string, generation: number, accepted: Verdict): ResourceStatus {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    namespace: '',
    name,
    generation,
    conditions: [
      condition('Accepted', accepted, generation),
      condition('SupportedVersion', holds('SupportedVersion'), generation),
    ],
    addresses: [],
    listeners: [],
    parents: [],
  }
}
