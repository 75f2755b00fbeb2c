import { examineKernelHttp, examineMachine, examineNetworks } from '../daemon/index.ts'
import { paintOf, printJson, settingsOfClient, wantsJson } from './context.ts'
import { colorFlag, outputFlag, socketFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const doctor: Verb = {
  name: 'doctor',
  summary: 'whether the kernel tier can run here, and what to do where it cannot',
  usage: '',
  flags: [outputFlag, socketFlag, colorFlag],
  examples: ['heddle doctor', 'sudo heddle doctor -o json'],
  exits: ['1 when something is missing'],
  async run(call, io) {
    const needed = examineMachine(settingsOfClient(call, io).socketPath)
    const areFine = needed.every(({ isFine }) => isFine)
    const findings = [...needed, examineNetworks(), await examineKernelHttp()]
    if (wantsJson(call)) printJson(io, findings)
    else {
      const paint = paintOf(call, io)
      const width = Math.max(...findings.map(({ name }) => name.length))
      for (const { name, isFine, about } of findings) {
        io.out(`${isFine ? 'ok     ' : paint.warn('missing')}  ${name.padEnd(width)}  ${about}\n`)
      }
      io.out(areFine ? '\nThe kernel tier can run here.\n' : '\nThe kernel tier cannot run here; user space can.\n')
    }
    return areFine ? 0 : 1
  },
}
