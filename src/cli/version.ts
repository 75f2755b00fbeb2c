import { agentVersion } from '../daemon/index.ts'
import type { Verb } from './verb.ts'

export const version: Verb = {
  name: 'version',
  summary: 'the version of Heddle and of the Node it runs on',
  usage: '',
  flags: [],
  examples: ['heddle version'],
  run(_call, io) {
    io.out(`heddle ${agentVersion()} on Node ${process.version}\n`)
    return Promise.resolve(0)
  },
}
