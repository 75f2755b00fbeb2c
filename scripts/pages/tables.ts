/** Pages that repeat one table of the sources. */
import { renderHelp, renderOverview } from '../../src/cli/help.ts'
import { verbs } from '../../src/cli/main.ts'
import { plain } from '../../src/cli/paint.ts'
import { settingDefinitions, settingKeys, variableOf, flagOf } from '../../src/daemon/index.ts'
import type { Machine, SettingDefinition } from '../../src/daemon/index.ts'
import { localReplies, metrics } from '../../src/model/index.ts'
import { accessLogKeys } from '../../src/observe/index.ts'

export function row(...cells: readonly string[]): string {
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(...head), row(...head.map(() => '---')), ...rows.map(cells => row(...cells))].join('\n')
}

const code = (text: string): string => `\`${text}\``

export function responsesPage(): string {
  const rows = Object.entries(localReplies).map(([reason, { status, flag, about }]) => [
    code(reason),
    String(status),
    flag === '-' ? '–' : code(flag),
    about,
  ])
  return `# Responses that Heddle makes

Every answer that does not come from an endpoint carries its reason in the response header \`x-heddle-reason\`, in the
access log and in the metric \`heddle_local_replies_total\`. The flag is Envoy's response flag of the same meaning; the
access log shows it too. The table is \`src/model/local-reply.ts\`.

A connection of TCP or TLS that is forwarded as bytes, and a session of UDP, has the same reasons in the access log and in
\`heddle_stream_refused_total\`: it is reset, or its datagrams dropped, where a request would have been answered.
\`bad-request\` is then a broken ClientHello or PROXY header, and \`request-timeout\` one that did not come in time.

${table(['Reason', 'Status', 'Flag', 'When'], rows)}
`
}

export function metricsPage(): string {
  const rows = Object.entries(metrics).map(([name, { type, labels, help }]) => [
    code(name),
    type,
    labels.length === 0 ? '–' : labels.map(code).join(', '),
    help,
  ])
  const buckets = [...new Set(Object.values(metrics).flatMap(metric => metric.buckets ?? []))].join(', ')
  return `# Metrics

Served as Prometheus text on the admin endpoint, \`/metrics\`. Times are in seconds, sizes in bytes. Label values come
from the configuration and from fixed sets, never from what a client sent, so that the number of series is bounded.
Buckets of the duration histograms: ${buckets}. The table is \`src/model/metrics.ts\`.

${table(['Name', 'Type', 'Labels', 'Meaning'], rows)}
`
}

/** Defaults are told for a machine of four cores and an ordinary user, where they depend on it. */
const machine: Machine = {
  env: { XDG_RUNTIME_DIR: '/run/user/1000' },
  uid: 1000,
  parallelism: 4,
  temporaryDirectory: '/tmp',
}

const dependsOnMachine: Readonly<Record<string, string>> = {
  workers: 'one per core, at most 4',
  socketPath:
    '`/run/heddle/agent.sock` for root, else `heddle/agent.sock` in `$XDG_RUNTIME_DIR`, else `heddle-UID/agent.sock` in the folder for temporary files',
}

export function settingsPage(): string {
  const rows = settingKeys.map(key => {
    const definition = settingDefinitions[key] as SettingDefinition<unknown>
    const value = definition.format(definition.default(machine))
    const unit = definition.unit === undefined ? '' : `, ${definition.unit}`
    const standard = dependsOnMachine[key] ?? (value === '' ? 'empty' : code(value))
    return [
      code(key),
      code(`--${flagOf(key)}`),
      code(variableOf(key)),
      `${definition.type}${unit}`,
      standard,
      definition.about,
    ]
  })
  return `# Settings

A setting comes from its default, the file of \`--settings\`, the environment or a flag; the later one wins.
\`heddle up --print-settings\` shows each value with its origin. All mistakes are reported together, and an unknown key
is an error. The table is \`src/daemon/settings.ts\`.

${table(['Key', 'Flag', 'Variable', 'Value', 'Default', 'Meaning'], rows)}
`
}

export function commandsPage(): string {
  const parts = verbs.map(
    verb => `## heddle ${verb.name}\n\n\`\`\`text\n${renderHelp(verb, plain).trimEnd()}\n\`\`\`\n`,
  )
  return `# Commands

\`\`\`text
${renderOverview(verbs, plain).trimEnd()}
\`\`\`

${parts.join('\n')}`
}

export function accessLogPage(): string {
  const rows = Object.entries(accessLogKeys).map(([key, about]) => [code(key), about])
  return `# Access log

One line per finished request, as text or JSON (\`accessLog\`, \`accessLogFormat\` in [settings](settings.md)). A log that
cannot keep up drops lines and counts them in \`heddle_access_log_dropped_total\`; it never holds up traffic. Every JSON
line has every key, but for those about TLS where there is none; null stands for what there is not. The table is \`src/observe/access-log/json-line.ts\`.

A line of text tells the same: time, client, request, status, bytes from the client and to it, and the duration, and then
what else there is under short names (\`upstream=\`, \`grpc=\`, \`retries=\`, \`flags=\`, \`reason=\`, \`caller=\`, \`host=\`, \`listener=\`,
\`route=\`, \`rule=\`, \`backend=\`, \`endpoint=\`, \`id=\`, \`trace=\`, those about TLS, \`agent=\`). What there is not is left out:

\`\`\`
2026-09-12T10:11:12.345Z 10.0.0.7:51034 "GET /cart?item=7 HTTP/2" 200 0 5321 3.413ms upstream=3.100ms host=shop.example listener="Gateway shop/web/http" route="HTTPRoute shop/cart" rule=0 backend=shop/cart:8080 endpoint=10.0.1.4:9001 id=0198c7de-94a5-8c3e-a1b2-6d5f4e3c2b1a agent="curl/8.9.1"
\`\`\`

${table(['Key', 'Meaning'], rows)}
`
}
