import type { MetricDefinition } from '../../model/index.ts'
import { definitionOf, strideOf } from './metrics-state.ts'
import type { MetricsState, MetricState } from './metrics-state.ts'

/** The content type of `renderPrometheus`. */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * The text exposition format of Prometheus, version 0.0.4. Metrics are sorted
 * by name and series by labels, so that two scrapes can be compared.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function renderPrometheus(state: MetricsState): string {
  const parts: string[] = []
  for (const metric of state.metrics.toSorted((a, b) => compareText(a.name, b.name))) {
    const definition = definitionOf(metric.name)
    parts.push(
      `# HELP ${metric.name} ${escapeHelp(definition.help)}\n`,
      `# TYPE ${metric.name} ${definition.type}\n`,
      renderSeries(metric, definition),
    )
  }
  return parts.join('')
}

function renderSeries(metric: MetricState, definition: MetricDefinition): string {
  const stride = strideOf(definition)
  const rendered = metric.series.map((labels, index) => ({
    labels: labels.map((value, i) => `${definition.labels[i] ?? ''}="${escapeLabel(value)}"`).join(','),
    values: metric.values.subarray(index * stride, (index + 1) * stride),
  }))
  rendered.sort((a, b) => compareText(a.labels, b.labels))
  const bucketEnds = [...(definition.buckets ?? []), Infinity].map(bound => `le="${formatValue(bound)}"} `)
  const lines: string[] = []
  for (const { labels, values } of rendered) {
    if (definition.type === 'histogram') renderHistogram(lines, metric.name, bucketEnds, labels, values)
    else lines.push(`${metric.name}${labels === '' ? '' : `{${labels}}`} ${formatValue(values[0] ?? 0)}\n`)
  }
  return lines.join('')
}

/** @param bucketEnds what follows the other labels in the line of each bucket */
function renderHistogram(
  lines: string[],
  name: string,
  bucketEnds: readonly string[],
  labels: string,
  values: Float64Array,
): void {
  const start = `${name}_bucket{${labels === '' ? '' : `${labels},`}`
  let count = 0
  bucketEnds.forEach((end, index) => {
    count += values[index] ?? 0
    lines.push(`${start}${end}${count}\n`)
  })
  const braces = labels === '' ? '' : `{${labels}}`
  const sum = formatValue(values[bucketEnds.length] ?? 0)
  lines.push(`${name}_sum${braces} ${sum}\n`, `${name}_count${braces} ${count}\n`)
}

function formatValue(value: number): string {
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return '-Inf'
  return String(value)
}

function escapeLabel(text: string): string {
  return /[\\"\n]/.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : text
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
