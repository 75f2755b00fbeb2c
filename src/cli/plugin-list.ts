import type { WorkerPluginStatus } from '../daemon/index.ts'
import { withoutControls } from './paint.ts'
import { renderTable } from './table.ts'
import type { Cell, RenderOptions } from './table.ts'

/** A line for each plugin on each worker, and below it why what is configured does not run. */
export function renderPlugins(list: readonly WorkerPluginStatus[], options: RenderOptions): string {
  const { paint } = options
  const rows = list.map(({ key, worker, status, instances, memoryBytes, streams, failures }): Cell[] => [
    withoutControls(key),
    String(worker),
    { text: status, paint: status === 'running' ? paint.good : status === 'restarting' ? paint.warn : paint.bad },
    String(instances),
    `${(memoryBytes / 1024 / 1024).toFixed(1)} MiB`,
    String(streams),
    String(failures.trap + failures.exit),
    String(failures.cpu),
    String(failures.start),
  ])
  const headers = ['PLUGIN', 'WORKER', 'STATUS', 'INSTANCES', 'MEMORY', 'STREAMS', 'TRAPS', 'OVER TIME', 'NOT STARTED']
  const right = headers.slice(3)
  const problems = new Map(list.map(({ key, problem, detail }) => [key, problem ?? detail] as const))
  const lines = [...problems].flatMap(([key, problem]) =>
    problem === undefined ? [] : [`${withoutControls(key)}: ${withoutControls(problem)}`],
  )
  return [renderTable(headers, rows, { ...options, right }), ...lines].join('\n')
}
