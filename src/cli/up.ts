import { readFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { formatProblem, MeshError, messageOf, systemClock } from '../core/index.ts'
import type { Problem } from '../core/index.ts'
import {
  Agent,
  AgentLogger,
  flagOf,
  formatSettingProblem,
  formatSettings,
  logProblem,
  readSettings,
  ServiceManager,
  settingDefinitions,
  settingKeys,
  thisMachine,
  variableOf,
  withoutServiceManager,
} from '../daemon/index.ts'
import type { Origins, SettingKey, Settings, StatusDocument } from '../daemon/index.ts'
import { usage } from './call.ts'
import { choosePaint, withoutControls } from './paint.ts'
import type { Paint } from './paint.ts'
import { colorFlag, flagValue } from './verb.ts'
import type { Call, CliIo, Flag, Verb } from './verb.ts'

export const up: Verb = {
  name: 'up',
  summary: 'run the agent with the configuration of files, and follow their changes',
  usage: '-f PATH …',
  flags: [
    {
      name: 'file',
      short: 'f',
      value: 'PATH',
      isRepeated: true,
      about: 'A file or a directory with resources; watched.',
    },
    {
      name: 'settings',
      value: 'FILE',
      about: 'A YAML file with settings, under the keys that --print-settings shows.',
    },
    { name: 'print-settings', about: 'Print every setting with its origin and end.' },
    ...settingKeys.map(settingFlag),
    colorFlag,
  ],
  examples: ['heddle up -f examples/shop', 'heddle up -f mesh/ --access-log stdout --workers 2'],
  exits: ['1 also when a second signal cut the drain short'],
  async run(call, io) {
    const { settings, origins } = settingsOf(call, io)
    if (call.flags.has('print-settings')) {
      io.out(`${formatSettings(settings, origins)}\n`)
      return 0
    }
    const paths = [...(call.flags.get('file') ?? []), ...call.positionals]
    if (paths.length === 0) throw usage(up, 'up needs the files to run: heddle up -f DIR')
    return runAgent(paths, settings, origins, choosePaint(flagValue(call, 'color'), io), io)
  },
}

/** The banner and the log go to standard error: standard output belongs to the access log. */
async function runAgent(
  paths: readonly string[],
  settings: Settings,
  origins: Origins,
  paint: Paint,
  io: CliIo,
): Promise<number> {
  const { logLevel: level, logFormat: format } = settings
  const hasColour = paint.bold('x') !== 'x'
  const logger = new AgentLogger({ level, format, hasColour, clock: systemClock })
  const { promise: signalled, resolve: stop } = Promise.withResolvers<string>()
  const { promise: again, resolve: stopNow } = Promise.withResolvers<void>()
  let signals = 0
  const onSignal = (signal: string): void => {
    if (++signals === 1) stop(signal)
    else stopNow()
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
  using manager = new ServiceManager({ env: io.env, clock: systemClock, logger })
  try {
    const agent = await Agent.start({ paths, settings, origins, env: withoutServiceManager(io.env), logger })
    const onHangup = (): void => agent.reopenLogs()
    process.on('SIGHUP', onHangup)
    const document = await agent.view.status()
    if (format === 'text') {
      io.err(`${renderStart(document, agent.adminUrl, settings, paint)}\n`)
    } else {
      const { pid } = agent.view
      const { active, reason } = agent.tier
      logger.info('the agent runs', { pid, admin: agent.adminUrl, tier: active, why: reason })
      for (const problem of document.problems) logProblem(logger, problem)
    }
    void agent.ready.then(() => {
      logger.info('the agent is ready')
      manager.ready(`tier: ${agent.tier.active}`)
      // One that is killed would leave nothing of it to the next.
      flushCompileCache()
    })
    const signal = await signalled
    manager.stopping()
    logger.info('the agent stops', { signal, drainSeconds: settings.drainSeconds })
    const report = await Promise.race([agent.stop({ handsOver: signal === 'SIGTERM' }), again])
    process.off('SIGHUP', onHangup)
    if (report === undefined) {
      logger.warn('the agent stops at once')
      await agent.kill()
      return 1
    }
    logger.info('the agent has stopped', { finished: report.finished, cut: report.cut })
    return 0
  } finally {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal)
  }
}

/** What an operator wants to know first: where it listens, what is wrong, and which data path carries the traffic. */
export function renderStart(
  document: StatusDocument,
  adminUrl: string,
  settings: Pick<Settings, 'socketPath'>,
  paint: Paint,
): string {
  const { agent, gateways, services, problems } = document
  const lines = [
    `${paint.bold(`heddle ${agent.version}`)}, pid ${agent.pid}`,
    `tier: ${agent.tier.active} (${agent.tier.reason})`,
    `transport: ${agent.transport.active} (${agent.transport.reason})`,
    `admin: ${paint.name(adminUrl)}`,
    `socket: ${settings.socketPath}`,
    `names: ${agent.dns ?? 'off'}`,
  ]
  for (const { kind, namespace, name, addresses, listeners } of gateways) {
    if (kind === 'ListenerSet') {
      // Its addresses are those of its Gateway.
      const ports = listeners.map(({ port, protocol }) => `${protocol.toLowerCase()} ${port}`)
      lines.push(`listener set ${namespace}/${name}: ${[...new Set(ports)].join(', ')}`)
      continue
    }
    const where = listeners.flatMap(({ port, protocol }) =>
      addresses.map(
        address => `${protocol.toLowerCase()}://${address.includes(':') ? `[${address}]` : address}:${port}`,
      ),
    )
    const places = where.length === 0 ? paint.warn('not reached yet') : [...new Set(where)].join(', ')
    lines.push(`gateway ${namespace}/${name}: ${places}`)
  }
  const endpoints = services.reduce((sum, service) => sum + service.endpoints.length, 0)
  // Not those that every Service has by itself.
  const routes = document.routes.filter(({ key }) => !key.startsWith('Service ')).length
  lines.push(`${services.length} service ports, ${endpoints} endpoints, ${routes} route${routes === 1 ? '' : 's'}`)
  return [...lines, ...problems.map(problem => renderProblem(problem, paint))].join('\n')
}

function renderProblem(problem: Problem, paint: Paint): string {
  const mark = problem.severity === 'error' ? paint.bad('error') : paint.warn('warning')
  return `${mark} ${withoutControls(formatProblem(problem))}`
}

function settingsOf(call: Call, io: CliIo): { settings: Settings; origins: Origins } {
  const flags: Partial<Record<SettingKey, string>> = {}
  for (const key of settingKeys) {
    const value = flagValue(call, flagOf(key))
    if (value !== undefined) flags[key] = value
  }
  const name = flagValue(call, 'settings')
  const file = name === undefined ? {} : { file: { name, text: readText(name) } }
  const result = readSettings({ machine: thisMachine(io.env), flags, ...file })
  if (result.kind === 'settings') return result
  throw new MeshError('MESH_USAGE', result.problems.map(formatSettingProblem).join('\n'), {
    source: 'config',
    hint: 'heddle up --print-settings shows all settings',
  })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new MeshError('MESH_USAGE', `--settings: ${messageOf(error)}`, { source: 'config', cause: error })
  }
}

function settingFlag(key: SettingKey): Flag {
  const { about, type, alone } = settingDefinitions[key]
  const hints = type.includes(' or ') ? type.split(' or ').filter(word => word !== 'path') : undefined
  return {
    name: flagOf(key),
    value: key.replace(/^.*(?=[A-Z])/, '').toUpperCase(),
    about: `${about} (${variableOf(key)})`,
    ...(hints === undefined ? {} : { hints }),
    ...(alone === undefined ? {} : { alone }),
  }
}
