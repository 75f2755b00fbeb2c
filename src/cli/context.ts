import { MeshError } from '../core/index.ts'
import { formatSettingProblem, readSettings, thisMachine } from '../daemon/index.ts'
import type { Settings } from '../daemon/index.ts'
import { AgentClient } from './agent-client.ts'
import { choosePaint } from './paint.ts'
import type { Paint } from './paint.ts'
import { flagValue } from './verb.ts'
import type { Call, CliIo } from './verb.ts'

/** The agent that `--socket-path`, HEDDLE_SOCKET_PATH or the default names. */
export function agentOf(call: Call, io: CliIo): AgentClient {
  return new AgentClient(settingsOfClient(call, io).socketPath)
}

/** @throws MeshError MESH_USAGE */
export function settingsOfClient(call: Call, io: CliIo): Pick<Settings, 'socketPath'> {
  const given = flagValue(call, 'socket-path')
  const flags = given === undefined ? {} : { socketPath: given }
  const env = { ...io.env }
  // A client needs one setting: a mistake in another is the agent's to report.
  for (const name of Object.keys(env)) if (name.startsWith('HEDDLE_') && name !== 'HEDDLE_SOCKET_PATH') delete env[name]
  const result = readSettings({ machine: thisMachine(env), flags })
  if (result.kind === 'settings') return result.settings
  const message = result.problems.map(formatSettingProblem).join('\n')
  throw new MeshError('MESH_USAGE', message, { source: 'config' })
}

export function paintOf(call: Call, io: CliIo): Paint {
  return choosePaint(flagValue(call, 'color'), io)
}

export function wantsJson(call: Call): boolean {
  return flagValue(call, 'output') === 'json'
}

export function printJson(io: CliIo, value: unknown): void {
  io.out(`${JSON.stringify(value, undefined, 2)}\n`)
}
