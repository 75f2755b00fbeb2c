import { MeshError } from '../core/index.ts'
import { cleanUpTier } from '../daemon/index.ts'
import { AgentClient } from './agent-client.ts'
import { printJson, settingsOfClient, wantsJson } from './context.ts'
import { outputFlag, socketFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const cleanup: Verb = {
  name: 'cleanup',
  summary: 'end and remove what an agent of the kernel tier left: programs, the keeper, and what is in the kernel',
  usage: '',
  flags: [outputFlag, socketFlag],
  examples: ['heddle cleanup'],
  exits: ['1 when something is still there'],
  async run(call, io) {
    const { socketPath } = settingsOfClient(call, io)
    if (await new AgentClient(socketPath).isThere()) {
      throw new MeshError('MESH_AGENT_RUNNING', `an agent runs at ${socketPath}`, {
        source: 'config',
        hint: 'stop it first: what it left would be taken from under it',
      })
    }
    const report = await cleanUpTier(socketPath)
    const { links, programs, maps, left, busy, problems, keeper } = report
    if (wantsJson(call)) printJson(io, report)
    else {
      for (const { workload, pid } of keeper?.programs ?? []) io.out(`ended workload ${workload}, process ${pid}\n`)
      if (keeper !== undefined)
        io.out(`ended the keeper, process ${keeper.pid}, which held ${keeper.sockets} sockets\n`)
      io.out(`removed ${links} links, ${programs} programs and ${maps} maps\n`)
      for (const { folder, pids } of busy) {
        io.out(`cgroup ${folder} stays for the processes in it, which nobody leads any more: ${pids.join(' ')}\n`)
      }
      for (const problem of problems) io.err(`heddle: could not be removed: ${problem}\n`)
      for (const each of left) io.err(`heddle: still there: ${each}\n`)
      if (left.length === 0 && problems.length === 0) io.out('nothing of it is left\n')
    }
    return left.length === 0 && problems.length === 0 ? 0 : 1
  },
}
