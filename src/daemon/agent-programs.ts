import type { Clock, Logger } from '../core/index.ts'
import { commandInCgroup } from '../datapath/index.ts'
import type { AgentMetrics } from './agent-metrics.ts'
import type { LogFeed } from './log-feed.ts'
import { Supervisor } from './programs/supervisor.ts'
import type { Tier } from './tier.ts'

export interface AgentProgramsOptions {
  /** Of the agent. */
  readonly options: { readonly logger: Logger; readonly env: Readonly<Record<string, string | undefined>> }
  readonly clock: Clock
  readonly tier: Tier
  readonly feed: LogFeed
  readonly metrics: AgentMetrics
  readonly onChange: () => void
  readonly released: () => Promise<void>
}

/** The programs of an agent: each in its cgroup, where the tier has some, its output in the feed. */
export function openPrograms(wanted: AgentProgramsOptions): Supervisor {
  const { options, clock, tier, feed, metrics, onChange, released } = wanted
  return new Supervisor({
    clock,
    logger: options.logger,
    env: options.env,
    onOutput: (source, stream, text) => feed.push({ timeMs: clock.wallMs(), source, stream, text }),
    onChange,
    released,
    enter: (workload, command) => {
      const cgroup = tier.cgroupOf(workload)
      return cgroup === undefined ? command : commandInCgroup(cgroup, command)
    },
    strays: workload => tier.pidsOf(workload),
    onRestart: workload => metrics.workloadRestarted(workload),
  })
}
