import type { KernelPathStatus } from '../daemon/index.ts'
import { usage } from './call.ts'
import { agentOf, paintOf, printJson, wantsJson } from './context.ts'
import type { Paint } from './paint.ts'
import { colorFlag, outputFlag, socketFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const kernelHttp: Verb = {
  name: 'kernel-http',
  summary: 'turn the HTTP path in the kernel on or off at once, or show what is on it',
  usage: 'on|off|status',
  flags: [outputFlag, socketFlag, colorFlag],
  examples: ['heddle kernel-http status', 'heddle kernel-http off'],
  exits: ['1 also when it was to be on and is not'],
  async run(call, io) {
    const [word = 'status', more] = call.positionals
    if (more !== undefined || !['on', 'off', 'status'].includes(word)) {
      throw usage(kernelHttp, 'kernel-http takes on, off or status')
    }
    const agent = agentOf(call, io)
    const status =
      word === 'status'
        ? await agent.json<KernelPathStatus>('/kernel-http')
        : await agent.post<KernelPathStatus>('/kernel-http', { isOn: word === 'on' })
    if (wantsJson(call)) printJson(io, status)
    else io.out(`${renderKernelPath(status, paintOf(call, io))}\n`)
    return word === 'on' && !status.isOn ? 1 : 0
  },
}

function renderKernelPath(status: KernelPathStatus, paint: Paint): string {
  const { isOn, reason, served, clients, pooled, leftFor, services } = status
  const head = `HTTP in the kernel is ${isOn ? paint.good('on') : paint.bad('off')}: ${reason}`
  const counts = `${served} requests answered, ${clients} clients, ${pooled} connections to endpoints`
  const left = Object.entries(leftFor).map(([why, count]) => `  ${count} to user space: ${why}`)
  const rows = services.flatMap(({ listener, reason: why, rules }) => [
    `${paint.name(listener)}${why === null ? '' : `  user space: ${why}`}`,
    ...rules.flatMap(({ route, rule, where, exceptions }) => [
      `  ${route} rule ${rule}  ${where}`,
      ...exceptions.map(each => paint.dim(`    match ${each.match}  user space: ${each.reason}`)),
    ]),
  ])
  return [head, counts, ...left, ...rows].join('\n')
}
