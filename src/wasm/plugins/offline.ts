import { systemClock } from '../../core/index.ts'
import { LocalMetrics } from './local-metrics.ts'
import type { Callouts, PluginServices } from './ports.ts'
import { SharedMemory } from './shared-memory.ts'
import { standardForeignFunctions } from './foreign-functions.ts'

/** Nobody can be called. */
export const noCallouts: Callouts = {
  http: call => ({ refused: 'unknown-upstream', detail: `there is no upstream ${call.upstream}` }),
  grpc: call => ({ refused: 'unknown-upstream', detail: `there is no upstream ${call.upstream}` }),
}

/** Services for a plugin without a proxy around it: what is not given works in memory, or says no. */
export function offlineServices(given: Partial<PluginServices> = {}): PluginServices {
  const shared = new SharedMemory()
  return {
    clock: systemClock,
    logLevel: 'info',
    property: () => undefined,
    log: () => {},
    callouts: noCallouts,
    metrics: new LocalMetrics(),
    sharedData: shared,
    queues: shared,
    foreignFunctions: standardForeignFunctions,
    ...given,
  }
}
