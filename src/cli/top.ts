import { systemClock } from '../core/index.ts'
import type { Clock } from '../core/index.ts'
import type { LiveRates, StatusDocument } from '../daemon/index.ts'
import { messageOf } from '../core/index.ts'
import { agentOf, paintOf, printJson, wantsJson } from './context.ts'
import type { Paint } from './paint.ts'
import { formatLatency, formatRate, formatShare, sparkline } from './quantities.ts'
import { select, selectionFlags, selectionOf } from './selection.ts'
import { healthPaint, isUsable, renderAgent } from './status.ts'
import { renderTable } from './table.ts'
import type { Cell } from './table.ts'
import { colorFlag, outputFlag, socketFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const top: Verb = {
  name: 'top',
  summary: 'rates, latencies and errors per service and route, live',
  usage: '',
  flags: [
    { name: 'once', about: 'Print one snapshot and end; the default without a terminal.' },
    ...selectionFlags,
    outputFlag,
    socketFlag,
    colorFlag,
  ],
  examples: ['heddle top', 'heddle top -n shop', 'heddle top --once'],
  async run(call, io) {
    const agent = agentOf(call, io)
    const paint = paintOf(call, io)
    const selection = selectionOf(call)
    const read = async () => select(await agent.status(), selection)
    if (wantsJson(call) || !io.isTerminal || call.flags.has('once')) {
      const document = await readSettled(read, systemClock)
      if (wantsJson(call)) printJson(io, { rates: document.rates, flows: document.flows })
      else io.out(`${renderTop(document, { paint, width: io.columns, height: undefined })}\n`)
      return 0
    }
    await runLive({ clock: systemClock, paint, read })
    return 0
  },
}

/** The agent counts every second: after this time a request of just now is in the rates. */
const settleMs = 1_200

/**
 * What there is to see once the agent has counted what happened up to now. A
 * request shows in the rates only when the second is over in which it ended.
 */
export async function readSettled(read: () => Promise<StatusDocument>, clock: Clock): Promise<StatusDocument> {
  // An agent that is not there is told at once.
  await read()
  await new Promise<void>(resolve => void clock.after(settleMs, resolve))
  return read()
}

export interface TopOptions {
  readonly paint: Paint
  readonly width: number | undefined
  /** Lines of the screen; undefined for all. */
  readonly height: number | undefined
}

const barWidth = 20

/** One frame. Busy ones first, so that what does not fit is what matters least. */
export function renderTop(document: StatusDocument, options: TopOptions): string {
  const { paint, height } = options
  const { rates } = document
  const total = [
    `${paint.bold(formatRate(rates.requestsPerSecond))} req/s`,
    `${share(rates, paint)} errors`,
    `p50 ${formatLatency(rates.p50)}`,
    `p90 ${formatLatency(rates.p90)}`,
    `p99 ${formatLatency(rates.p99)}`,
    sparkline(rates.recent, barWidth),
  ].join('  ')
  const services = document.services.map(service => {
    const usable = service.endpoints.filter(isUsable).length
    const total = service.endpoints.length
    const health: Cell = { text: `${usable}/${total}`, paint: healthPaint(usable, total, paint) }
    return { name: service.key, health, rates: service.rates }
  })
  const routes = document.routes
    .filter(route => !route.key.startsWith('Service ') || route.rates.requestsPerSecond > 0)
    .map(route => ({ name: route.key, health: '', rates: route.rates }))
  const lines = [...renderAgent(document.agent, paint).split('\n'), '', total, '']
  const table = (title: string, entries: readonly Entry[]) => {
    if (entries.length > 0) lines.push(...renderEntries(title, entries, options).split('\n'), '')
  }
  table('SERVICE', services)
  table('ROUTE', routes)
  while (lines.at(-1) === '') lines.pop()
  if (height === undefined || lines.length <= height) return lines.join('\n')
  return [...lines.slice(0, height - 1), paint.dim(`… ${lines.length - height + 1} more lines`)].join('\n')
}

interface Entry {
  readonly name: string
  readonly health: Cell
  readonly rates: LiveRates
}

function renderEntries(title: string, entries: readonly Entry[], { paint, width }: TopOptions): string {
  const sorted = entries.toSorted(
    (a, b) => b.rates.requestsPerSecond - a.rates.requestsPerSecond || (a.name < b.name ? -1 : 1),
  )
  const rows = sorted.map(({ name, health, rates }): Cell[] => {
    const idle = rates.requestsPerSecond === 0
    const look = (text: string): Cell => ({ text, paint: idle ? paint.dim : value => value })
    return [
      { text: name, paint: idle ? paint.dim : paint.name },
      health,
      look(formatRate(rates.requestsPerSecond)),
      { text: formatShare(rates.errorRatio), paint: errorPaint(rates, paint) },
      look(formatLatency(rates.p50)),
      look(formatLatency(rates.p90)),
      look(formatLatency(rates.p99)),
      look(sparkline(rates.recent, barWidth)),
    ]
  })
  const headers = [title, 'HEALTHY', 'REQ/S', 'ERRORS', 'P50', 'P90', 'P99', 'LAST MINUTE']
  return renderTable(headers, rows, { paint, width, right: ['HEALTHY', 'REQ/S', 'ERRORS', 'P50', 'P90', 'P99'] })
}

function share(rates: LiveRates, paint: Paint): string {
  return errorPaint(rates, paint)(formatShare(rates.errorRatio))
}

function errorPaint(rates: LiveRates, paint: Paint): (text: string) => string {
  if (rates.requestsPerSecond === 0) return paint.dim
  if (rates.errorRatio === 0) return paint.good
  return rates.errorRatio < 0.01 ? paint.warn : paint.bad
}

interface LiveOptions {
  readonly clock: Clock
  readonly paint: Paint
  readonly read: () => Promise<StatusDocument>
}

const enterScreen = '\u001b[?1049h\u001b[?25l'
const leaveScreen = '\u001b[?25h\u001b[?1049l'

/** Draws on the alternate screen each second until `q`, Ctrl-C or a signal; the screen is always given back. */
async function runLive({ clock, paint, read }: LiveOptions): Promise<void> {
  const { stdin, stdout } = process
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  let document: StatusDocument | undefined
  let notice = ''
  const draw = () => {
    const body =
      document === undefined
        ? ''
        : renderTop(document, { paint, width: stdout.columns, height: Math.max(3, stdout.rows - 2) })
    const foot = notice === '' ? paint.dim('q quits') : paint.bad(notice)
    const lines = `${body}\n\n${foot}`.split('\n').map(line => `${line}\u001b[K`)
    stdout.write(`\u001b[H${lines.join('\n')}\u001b[J`)
  }
  let isReading = false
  const refresh = async () => {
    if (isReading) return
    isReading = true
    try {
      document = await read()
      notice = ''
    } catch (error) {
      // The agent may be restarting: the last picture stays, and it is asked again.
      notice = messageOf(error)
    }
    isReading = false
    draw()
  }
  const onKey = (bytes: Buffer) => {
    if (['q', 'Q', '\u0003', '\u0004'].includes(bytes.toString())) end()
  }
  const isRaw = stdin.isTTY
  stdout.write(enterScreen)
  if (isRaw) stdin.setRawMode(true)
  stdin.on('data', onKey).resume()
  stdout.on('resize', draw)
  process.once('SIGTERM', end).once('SIGINT', end).once('SIGHUP', end)
  using _timer = clock.every(1_000, () => void refresh())
  try {
    await refresh()
    await ended
  } finally {
    if (isRaw) stdin.setRawMode(false)
    stdin.off('data', onKey).pause()
    stdout.off('resize', draw)
    process.off('SIGTERM', end).off('SIGINT', end).off('SIGHUP', end)
    stdout.write(leaveScreen)
  }
}
