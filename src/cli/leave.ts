import { usage } from './call.ts'
import { agentOf } from './context.ts'
import { flagValue, socketFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const leave: Verb = {
  name: 'leave',
  summary: 'let a program that has joined go on outside of the mesh',
  usage: 'WORKLOAD',
  flags: [
    { name: 'namespace', short: 'n', value: 'NAME', about: 'Namespace of the workload; default when left out.' },
    socketFlag,
  ],
  examples: ['heddle leave web-nginx-service', 'heddle leave shop/redis-4711'],
  async run(call, io) {
    const [name, more] = call.positionals
    if (name === undefined) throw usage(leave, 'say who leaves: the name of the workload')
    if (more !== undefined) throw usage(leave, `what is ${JSON.stringify(more)}?`)
    const workload = name.includes('/') ? name : `${flagValue(call, 'namespace') ?? 'default'}/${name}`
    await agentOf(call, io).post('/leaves', { workload })
    io.out(`${workload} is out of the mesh\n`)
    return 0
  },
}
