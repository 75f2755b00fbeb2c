import type { Caller, Workload } from '../../model/index.ts'
import type { CallerRoot } from './caller-processes.ts'

/**
 * The processes that workloads come from.
 *
 * @param pidOf  of the program that the agent started for a workload, or of the command that registered it
 */
export function callerRoots(
  workloads: readonly Workload[],
  pidOf: (workload: string) => number | undefined,
): readonly CallerRoot[] {
  return workloads.flatMap(workload => {
    const pid = pidOf(workload.key)
    if (pid === undefined) return []
    return [{ pid, caller: callerOf(workload) }]
  })
}

export function callerOf({ key, namespace, service }: Pick<Workload, 'key' | 'namespace' | 'service'>): Caller {
  return { namespace, service: service === undefined ? '' : `${namespace}/${service}`, workload: key }
}
