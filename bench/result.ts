/** What a benchmark measures and how it is told; every suite uses these forms. */

export type Metric =
  | 'cpu'
  | 'throughput'
  | 'p50'
  | 'p99'
  | 'memory'
  | 'lookup'
  | 'connect'
  | 'stream'
  | 'entries'
  | 'change'
  | 'cost'

export const units: Readonly<Record<Metric, string>> = {
  cpu: 'µs/request',
  throughput: 'requests/s',
  p50: 'µs',
  p99: 'µs',
  memory: 'MB',
  lookup: 'ns',
  connect: 'µs of CPU',
  stream: 'MB/s',
  entries: 'in a second',
  change: 'ms',
  cost: 'µs of CPU',
}

/** One figure of one contestant in one round. */
export interface Sample {
  readonly case: string
  readonly metric: Metric
  readonly contestant: string
  readonly round: number
  readonly value: number
}

/** One line of the table, one element of the JSON file. */
export interface Result {
  readonly suite: string
  readonly case: string
  readonly metric: Metric
  readonly unit: string
  readonly heddle: number
  readonly peers: Readonly<Record<string, number>>
  /** Heddle's figure over the peer's: the median of the ratios within one round. */
  readonly ratio: Readonly<Record<string, number>>
  /** Smallest and largest ratio of a round, to tell noise from difference. */
  readonly spread: Readonly<Record<string, readonly [number, number]>>
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** Cases and metrics in the order of their first sample. */
export function summarise(suite: string, samples: readonly Sample[]): readonly Result[] {
  const groups = Map.groupBy(samples, sample => `${sample.case}\n${sample.metric}`)
  return [...groups.values()].flatMap(group => summariseGroup(suite, group))
}

function summariseGroup(suite: string, group: readonly Sample[]): Result[] {
  const [first] = group
  const ours = new Map(group.filter(s => s.contestant === 'heddle').map(s => [s.round, s.value]))
  if (first === undefined || ours.size === 0) return []
  const peers: Record<string, number> = {}
  const ratio: Record<string, number> = {}
  const spread: Record<string, readonly [number, number]> = {}
  for (const [name, theirs] of Map.groupBy(group, s => s.contestant)) {
    if (name === 'heddle') continue
    const ratios = theirs.flatMap(({ round, value }) => {
      const own = ours.get(round)
      return own === undefined ? [] : [own / value]
    })
    peers[name] = rounded(median(theirs.map(s => s.value)))
    ratio[name] = rounded(median(ratios))
    spread[name] = [rounded(Math.min(...ratios)), rounded(Math.max(...ratios))]
  }
  const heddle = rounded(median([...ours.values()]))
  return [{ suite, case: first.case, metric: first.metric, unit: units[first.metric], heddle, peers, ratio, spread }]
}

/** Three digits tell more than the machine's noise already. */
function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4))
}

export function formatTable(results: readonly Result[]): string {
  const names = [...new Set(results.flatMap(result => Object.keys(result.peers)))]
  const rows = results.map(result => [
    result.suite,
    result.case,
    `${result.metric}, ${result.unit}`,
    String(result.heddle),
    ...names.flatMap(name => {
      const [least, most] = result.spread[name] ?? []
      if (least === undefined || most === undefined) return ['–', '']
      const range = least === most ? '' : ` (${least.toFixed(2)}–${most.toFixed(2)})`
      return [String(result.peers[name]), `${(result.ratio[name] ?? Number.NaN).toFixed(2)}${range}`]
    }),
  ])
  const head = ['suite', 'case', 'metric', 'heddle', ...names.flatMap(name => [name, `heddle/${name}`])]
  const table = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...table.map(row => row[column]?.length ?? 0)))
  const isText = (column: number): boolean => column < 3
  return table
    .map(row =>
      row
        .map((text, column) => (isText(column) ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)))
        .join('  '),
    )
    .map(line => line.trimEnd())
    .join('\n')
}
