import type { JoinAnswer } from '../daemon/index.ts'
import { usage } from './call.ts'
import { agentOf, printJson, wantsJson } from './context.ts'
import { labelsOf } from './run.ts'
import { flagValue, outputFlag, socketFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const join: Verb = {
  name: 'join',
  summary: 'take a program that runs already into the mesh of the running agent',
  usage: 'PID|CGROUP --service NAME [FLAG …]',
  flags: [
    { name: 'service', short: 's', value: 'NAME', about: 'The Service that the program is an instance of.' },
    { name: 'port', short: 'p', value: 'PORT', about: 'Where it listens; found out when left out, if there is one.' },
    { name: 'namespace', short: 'n', value: 'NAME', about: 'Namespace of the Service; default when left out.' },
    { name: 'name', value: 'NAME', about: 'Name of the workload; made from the service when left out.' },
    {
      name: 'address',
      value: 'ADDRESS',
      about: 'Where it listens; 127.0.0.1, or the first address of its own network namespace, when left out.',
    },
    { name: 'label', short: 'l', value: 'NAME=VALUE', isRepeated: true, about: 'A label that Services may select.' },
    { name: 'health-path', value: 'PATH', about: 'Ask this path whether the program is healthy.' },
    outputFlag,
    socketFlag,
  ],
  examples: [
    'heddle join /system.slice/nginx.service --service web --port 80',
    'heddle join $(pidof redis-server) -s redis -n shop',
  ],
  async run(call, io) {
    const [target, more] = call.positionals
    if (target === undefined) throw usage(join, 'say who joins: the number of a process, or a cgroup')
    if (more !== undefined) throw usage(join, `what is ${JSON.stringify(more)}?`)
    const service = flagValue(call, 'service')
    const labels = labelsOf(call)
    if (service === undefined && Object.keys(labels).length === 0) {
      throw usage(join, 'join needs --service, or labels that a Service selects')
    }
    const port = flagValue(call, 'port')
    const body = {
      target,
      namespace: flagValue(call, 'namespace') ?? 'default',
      name: flagValue(call, 'name') ?? nameFor(service ?? 'program', target),
      service,
      labels,
      address: flagValue(call, 'address'),
      healthPath: flagValue(call, 'health-path'),
      ...(port === undefined ? {} : { port: Number(port) }),
    }
    const answer = await agentOf(call, io).post<JoinAnswer>('/joins', body)
    if (wantsJson(call)) printJson(io, answer)
    else io.out(`${answer.workload} is in the mesh, at port ${answer.port}; its cgroup is ${answer.cgroup}\n`)
    if (answer.outside.length > 0) {
      io.err(
        `heddle: sockets that it has already (port ${answer.outside.join(', ')}) stay outside of the mesh, since they could not be ` +
          `looked at (${answer.reason ?? ''}): policies hold for those that it opens from now on, and for all others that connect ` +
          'from within the mesh\n',
      )
    }
    return 0
  },
}

/** A number, or the last part of a path, as far as it may be part of a name. */
function nameFor(service: string, target: string): string {
  const last = target.slice(target.lastIndexOf('/') + 1).toLowerCase()
  const part = last.replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '')
  return `${service.slice(0, 30)}-${part.slice(0, 30)}`.replace(/-+$/, '')
}
