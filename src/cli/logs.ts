import type { LogLine } from '../daemon/index.ts'
import { usage } from './call.ts'
import { agentOf, paintOf, wantsJson } from './context.ts'
import { followLines } from './follow-lines.ts'
import { withoutControls } from './paint.ts'
import type { Paint } from './paint.ts'
import { colorFlag, flagValue, outputFlag, socketFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const logs: Verb = {
  name: 'logs',
  summary: 'what workloads write, and with -f the access log as it happens',
  usage: '[WORKLOAD | access]',
  flags: [
    { name: 'follow', short: 'f', about: 'Go on with new lines until Ctrl-C.' },
    { name: 'lines', short: 'n', value: 'COUNT', about: 'How many earlier lines to show first; 100 by default.' },
    outputFlag,
    socketFlag,
    colorFlag,
  ],
  examples: ['heddle logs -f', 'heddle logs -f access', 'heddle logs shop/reviews-v1 -n 20'],
  async run(call, io) {
    const lines = flagValue(call, 'lines') ?? '100'
    if (!/^\d{1,6}$/.test(lines)) throw usage(logs, '--lines must be a whole number')
    const query = new URLSearchParams({ lines })
    if (call.flags.has('follow')) query.set('follow', '1')
    const [source] = call.positionals
    if (source !== undefined) query.set('source', source)
    const paint = paintOf(call, io)
    const response = await agentOf(call, io).open('GET', `/logs?${query.toString()}`)
    await followLines(io, response, line =>
      wantsJson(call) ? line : renderLogLine(JSON.parse(line) as LogLine, paint),
    )
    return 0
  },
}

/** `12:04:05 shop/reviews-v1 listening on 9080` */
export function renderLogLine(line: LogLine, paint: Paint): string {
  const text = withoutControls(line.text)
  if (line.stream === 'access') return `${paint.dim('access')} ${text}`
  const time = new Date(line.timeMs).toISOString().slice(11, 19)
  const mark = line.stream === 'stderr' ? paint.warn(line.source) : paint.name(line.source)
  return `${paint.dim(time)} ${mark} ${text}`
}
