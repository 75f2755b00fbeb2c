/**
 * `node scripts/generate.ts [--check]`: writes the documents that repeat a
 * table of the sources. With `--check` it writes nothing and fails when a file
 * is not what it would write.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { localReplies, metrics } from '../src/model/index.ts'
import { root } from './files.ts'

const notice = '<!-- Written by scripts/generate.ts; change the table it names instead. -->'

function responsesPage(): string {
  const rows = Object.entries(localReplies).map(
    ([reason, reply]) =>
      `| \`${reason}\` | ${reply.status} | ${reply.flag === '-' ? '–' : `\`${reply.flag}\``} | ${reply.about} |`,
  )
  return `${notice}

# Responses that Heddle makes

Every answer that does not come from an endpoint carries its reason in the response header \`x-heddle-reason\`, in the
access log and in the metric \`heddle_local_replies_total\`. The flag is Envoy's response flag of the same meaning; the
access log shows it too. The table is \`src/model/local-reply.ts\`.

| Reason | Status | Flag | When |
| --- | --- | --- | --- |
${rows.join('\n')}
`
}

function metricsPage(): string {
  const rows = Object.entries(metrics).map(([name, metric]) => {
    const labels = metric.labels.map(label => `\`${label}\``).join(', ')
    return `| \`${name}\` | ${metric.type} | ${labels === '' ? '–' : labels} | ${metric.help} |`
  })
  const buckets = [...new Set(Object.values(metrics).flatMap(metric => metric.buckets ?? []))].join(', ')
  return `${notice}

# Metrics

Served as Prometheus text on the admin endpoint, \`/metrics\`. Times are in seconds, sizes in bytes. Label values come
from the configuration and from fixed sets, never from what a client sent, so that the number of series is bounded.
Buckets of the duration histograms: ${buckets}. The table is \`src/model/metrics.ts\`.

| Name | Type | Labels | Meaning |
| --- | --- | --- | --- |
${rows.join('\n')}
`
}

const pages: readonly (readonly [path: string, text: string])[] = [
  ['docs/reference/responses.md', responsesPage()],
  ['docs/reference/metrics.md', metricsPage()],
]

for (const [path, text] of pages) {
  const file = join(root, path)
  if ((await readFile(file, 'utf8').catch(() => '')) === text) continue
  if (process.argv.includes('--check')) {
    console.error(`${path} is stale`)
    process.exitCode = 1
  } else {
    await writeFile(file, text)
    console.log(`wrote ${path}`)
  }
}
