import type { ConnectionRecord, FlowRecord, NameRecord, RequestRecord } from '../daemon/index.ts'
import { usage } from './call.ts'
import { agentOf, paintOf, wantsJson } from './context.ts'
import { followLines } from './follow-lines.ts'
import { withoutControls } from './paint.ts'
import type { Paint } from './paint.ts'
import { formatLatency } from './quantities.ts'
import { colorFlag, flagValue, outputFlag, socketFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const flows: Verb = {
  name: 'flows',
  summary: 'what programs of the mesh connect to and ask for, and what comes of it, in the kernel tier',
  usage: '',
  flags: [
    { name: 'follow', short: 'f', about: 'Go on with new ones until Ctrl-C.' },
    { name: 'lines', short: 'n', value: 'COUNT', about: 'How many earlier ones to show first; 100 by default.' },
    {
      name: 'service',
      value: 'NAME',
      about: 'Only those from or to this Service or Workload: db, shop/db, shop/db:5432.',
    },
    {
      name: 'verdict',
      value: 'VERDICT',
      about:
        'Only those with this verdict (egress-denied, NXDOMAIN, 503, …) or of this kind: opened, closed, refused, failed, request, name.',
    },
    outputFlag,
    socketFlag,
    colorFlag,
  ],
  examples: ['heddle flows -f', 'heddle flows -f --verdict refused', 'heddle flows --service shop/db -n 20 -o json'],
  async run(call, io) {
    const lines = flagValue(call, 'lines') ?? '100'
    if (!/^\d{1,6}$/.test(lines)) throw usage(flows, '--lines must be a whole number')
    const query = new URLSearchParams({ lines })
    if (call.flags.has('follow')) query.set('follow', '1')
    for (const name of ['service', 'verdict'] as const) {
      const value = flagValue(call, name)
      if (value !== undefined) query.set(name, value)
    }
    const paint = paintOf(call, io)
    const response = await agentOf(call, io).open('GET', `/flows?${query.toString()}`)
    await followLines(io, response, line =>
      wantsJson(call) ? line : renderFlow(JSON.parse(line) as FlowRecord, paint),
    )
    return 0
  },
}

/** `12:04:05.123 shop/web-1 → shop/db:5432 (127.0.0.1:7001) TCP opened` */
export function renderFlow(record: FlowRecord, paint: Paint): string {
  const time = paint.dim(new Date(record.timeMs).toISOString().slice(11, 23))
  if (record.kind === 'lost') return `${time} ${paint.warn(`${record.count} events were lost`)}`
  const source = paint.name(record.source.workload || record.source.service || 'elsewhere')
  return `${time} ${source} ${renderOf(record, paint)}`
}

function renderOf(record: Exclude<FlowRecord, { kind: 'lost' }>, paint: Paint): string {
  if (record.kind === 'name') return renderName(record, paint)
  return record.kind === 'request' ? renderRequest(record, paint) : renderConnection(record, paint)
}

function renderRequest(record: RequestRecord, paint: Paint): string {
  const { destination, method, target, verdict, durationMs, sentBytes, receivedBytes } = record
  const status = verdict.startsWith('5') ? paint.warn(verdict) : verdict
  const to = `${destination.service}${paint.dim(` (${destination.given})`)}`
  const took = `in ${formatLatency(durationMs / 1000)}; sent ${sentBytes} B, received ${receivedBytes} B`
  return `→ ${to} ${method} ${withoutControls(target)} ${status} ${took}`
}

function renderName({ name, type, verdict, addresses, answeredBy, durationMs }: NameRecord, paint: Paint): string {
  const what = withoutControls(name)
  const answer = verdict === 'NOERROR' ? addresses.join(' ') || 'nothing' : paint.warn(verdict)
  const by = answeredBy === 'mesh' ? '' : ` by its resolver, ${formatLatency(durationMs / 1000)}`
  return `? ${what} ${type} = ${answer}${paint.dim(by)}`
}

function renderConnection(record: ConnectionRecord, paint: Paint): string {
  const { destination, protocol, kind } = record
  const { service, workload, asked, given } = destination
  const to = service === '' ? (workload === '' ? asked : workload) : service
  const at = to === given ? '' : paint.dim(` (${given})`)
  return `→ ${to}${at} ${protocol} ${kind === 'refused' || kind === 'failed' ? paint.warn(outcome(record)) : outcome(record)}`
}

function outcome({ kind, verdict, policies, rules, transfer }: ConnectionRecord): string {
  if (kind === 'refused') return `refused: ${verdict}${policies.length === 0 ? '' : ` by ${policies.join(', ')}`}`
  if (kind === 'opened') return rules.length === 0 ? 'opened' : `opened by ${rules.join(', ')}`
  if (transfer === undefined) return 'failed: nobody took it'
  const { sentBytes, receivedBytes, durationMs, connectMs, roundTripMs } = transfer
  const inText = (ms: number): string => formatLatency(ms / 1000)
  const connected = connectMs === undefined ? '' : `, connected in ${inText(connectMs)}`
  const trip = roundTripMs === undefined ? '' : `, round trip ${inText(roundTripMs)}`
  return `closed after ${inText(durationMs)}${connected}${trip}; sent ${sentBytes} B, received ${receivedBytes} B`
}
