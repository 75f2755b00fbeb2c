import { createInterface } from 'node:readline'
import { MeshError } from '../core/index.ts'
import type { LogLine } from '../daemon/index.ts'
import { usage } from './call.ts'
import { agentOf, paintOf, wantsJson } from './context.ts'
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
    const response = await agentOf(call, io).open('GET', `/logs?${query.toString()}`)
    let isStopped = false
    const stop = () => {
      isStopped = true
      response.destroy()
    }
    process.once('SIGINT', stop).once('SIGTERM', stop)
    const paint = paintOf(call, io)
    const output = createInterface({ input: response, crlfDelay: Infinity })
    // Without this the loop below would wait for ever for an end that a destroyed answer does not have.
    response.once('close', () => output.close())
    response.on('error', () => {})
    try {
      for await (const line of output) {
        io.out(wantsJson(call) ? `${line}\n` : `${renderLogLine(JSON.parse(line) as LogLine, paint)}\n`)
      }
    } catch (error) {
      if (isStopped) return 0
      throw new MeshError('MESH_AGENT_ABSENT', 'the agent went away', { source: 'internal', cause: error })
    } finally {
      process.off('SIGINT', stop).off('SIGTERM', stop)
    }
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
