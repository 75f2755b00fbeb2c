import type { MeshSnapshot } from '../model/index.ts'
import type { MetricsState } from '../observe/index.ts'
import type { AgentMetrics } from './agent-metrics.ts'
import type { ListenFailures } from './listen-failures.ts'
import type { LogFeed } from './log-feed.ts'
import type { Settings } from './settings.ts'
import { WorkerPool } from './worker-pool.ts'
import type { WorkerPoolOptions } from './worker-pool.ts'
import { WorkerThreads } from './worker-threads.ts'

export interface AgentPoolOptions extends Pick<
  WorkerPoolOptions,
  'threads' | 'kept' | 'modules' | 'ticketKeys' | 'clock' | 'logger' | 'transport' | 'pins' | 'callers'
> {
  readonly settings: Settings
  readonly feed: LogFeed
  readonly metrics: AgentMetrics
  readonly listenFailures: ListenFailures
}

/** Threads that are to become the workers of an agent. */
export function startThreads(count: number): WorkerThreads {
  // The worker stands beside this file under the same kind of name, built or not.
  const name = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js'
  return new WorkerThreads(new URL(name, import.meta.url), count)
}

/** The workers of an agent: what they count and log goes to its metrics and its feed. */
export function openPool(snapshot: MeshSnapshot, options: AgentPoolOptions): WorkerPool {
  const { settings, feed, metrics, listenFailures, clock } = options
  const { workers, zone, accessLog, accessLogFormat, logLevel, inspectPlugins } = settings
  return new WorkerPool(snapshot, {
    ...options,
    count: workers,
    worker: { zone, accessLog, accessLogFormat, logLevel, areInspected: inspectPlugins !== 'off' },
    observer: {
      collected: (worker, state) => metrics.collected(worker, state as MetricsState),
      retired: worker => metrics.retired(worker),
      restarted: () => metrics.workerRestarted(),
      lines: lines => {
        const timeMs = clock.wallMs()
        for (const text of lines) feed.push({ timeMs, source: 'access', stream: 'access', text })
      },
      listenFailures: failures => listenFailures.ofWorkers(failures),
    },
  })
}
