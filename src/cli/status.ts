import { formatProblem } from '../core/index.ts'
import type { Condition, ListenerStatus, ResourceStatus } from '../model/index.ts'
import type { AgentStatus, EndpointStatus, ServiceStatus, StatusDocument } from '../daemon/index.ts'
import { agentOf, paintOf, printJson, wantsJson } from './context.ts'
import { withoutControls } from './paint.ts'
import type { Paint, Painter } from './paint.ts'
import { formatDuration, formatRate, formatShare } from './quantities.ts'
import { renderTable } from './table.ts'
import type { Cell } from './table.ts'
import { colorFlag, outputFlag, socketFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const status: Verb = {
  name: 'status',
  summary: 'Gateways, routes, services and endpoints with their health and problems',
  usage: '',
  flags: [outputFlag, socketFlag, colorFlag],
  examples: ['heddle status', 'heddle status -o json'],
  exits: ['1 also when the agent is not ready or its configuration has errors'],
  async run(call, io) {
    const document = await agentOf(call, io).status()
    if (wantsJson(call)) printJson(io, document)
    else io.out(`${renderStatus(document, { paint: paintOf(call, io), width: io.columns })}\n`)
    return document.agent.ready && !document.problems.some(({ severity }) => severity === 'error') ? 0 : 1
  },
}

export interface RenderOptions {
  readonly paint: Paint
  /** Undefined for as wide as it takes. */
  readonly width: number | undefined
}

export function renderStatus(document: StatusDocument, options: RenderOptions): string {
  const { paint } = options
  const sections = [renderAgent(document.agent, paint)]
  const section = (title: string, content: string) => sections.push(`${paint.bold(title)}\n${content}`)
  if (document.gateways.length > 0) section('Gateways', renderGateways(document.gateways, options))
  if (document.routes.length > 0) section('Routes', renderRoutes(document, options))
  if (document.services.length > 0) section('Services', renderServices(document.services, options))
  if (document.problems.length > 0) {
    const lines = document.problems.map(problem => {
      const mark = problem.severity === 'error' ? paint.bad('error') : paint.warn('warning')
      return `${mark} ${withoutControls(formatProblem(problem))}`
    })
    section('Problems', lines.join('\n'))
  }
  return sections.join('\n\n')
}

/** `heddle 0.1.0, pid 42, up 3m 5s, ready, 2 workers, configuration 7` and the tier. */
export function renderAgent(agent: AgentStatus, paint: Paint): string {
  const ready = agent.ready ? paint.good('ready') : paint.bad(`awaiting ${agent.awaiting.join(', ')}`)
  const workers = agent.workers === 1 ? '1 worker' : `${agent.workers} workers`
  const parts = [
    paint.bold(`heddle ${agent.version}`),
    `pid ${agent.pid}`,
    `up ${formatDuration(agent.uptimeSeconds)}`,
    ready,
    workers,
    `configuration ${agent.configVersion}`,
  ]
  return `${parts.join(', ')}\ntier: ${agent.tier.active} (${agent.tier.reason})`
}

function renderGateways(gateways: readonly ResourceStatus[], options: RenderOptions): string {
  const rows = gateways.map(gateway => [
    `${gateway.namespace}/${gateway.name}`,
    gateway.addresses.join(', ') || '-',
    gateway.listeners.map(describeListener).join(', ') || '-',
    conditionsCell([...gateway.conditions, ...gateway.listeners.flatMap(each => each.conditions)], options.paint),
  ])
  return renderTable(['NAME', 'ADDRESS', 'LISTENERS', 'CONDITIONS'], rows, options)
}

function describeListener(listener: ListenerStatus): string {
  const routes = listener.attachedRoutes === 1 ? '1 route' : `${listener.attachedRoutes} routes`
  const host = listener.hostname === undefined ? '' : ` ${listener.hostname}`
  return `${listener.name} ${listener.protocol}:${listener.port}${host} (${routes})`
}

/** Types whose `True` is the bad news. */
const badWhenTrue: readonly string[] = ['Conflicted', 'OverlappingTLSConfig', 'PartiallyInvalid']

/** What is wrong, with its reason; else all that is well. */
function conditionsCell(conditions: readonly Condition[], paint: Paint): Cell {
  const isBad = ({ type, status: state }: Condition) =>
    badWhenTrue.includes(type) ? state === 'True' : state === 'False'
  const bad = conditions.filter(isBad)
  if (bad.length > 0) {
    const text = bad.map(({ type, status: state, reason }) => `${state === 'False' ? 'not ' : ''}${type}: ${reason}`)
    return { text: [...new Set(text)].join(', '), paint: paint.bad }
  }
  const unknown = conditions.filter(({ status: state }) => state === 'Unknown')
  if (unknown.length > 0) {
    return { text: [...new Set(unknown.map(({ type }) => `${type} unknown`))].join(', '), paint: paint.warn }
  }
  const good = conditions.filter(({ status: state }) => state === 'True').map(({ type }) => type)
  return { text: [...new Set(good)].join(', ') || '-', paint: paint.good }
}

function renderRoutes(document: StatusDocument, options: RenderOptions): string {
  const rows = document.routes
    .filter(({ key }) => !key.startsWith('Service '))
    .map(route => [
      route.key,
      route.hostnames.join(', ') || '*',
      route.virtualHosts.join(', ') || { text: 'nowhere', paint: options.paint.warn },
      String(route.rules.length),
      formatRate(route.rates.requestsPerSecond),
    ])
  if (rows.length === 0) return options.paint.dim('only those that every service has by itself')
  const right = ['RULES', 'REQ/S']
  return renderTable(['NAME', 'HOSTNAMES', 'ON', 'RULES', 'REQ/S'], rows, { ...options, right })
}

function renderServices(services: readonly ServiceStatus[], options: RenderOptions): string {
  const { paint } = options
  const rows: Cell[][] = []
  for (const service of services) {
    const usable = service.endpoints.filter(isUsable).length
    const total = service.endpoints.length
    rows.push([
      { text: service.key, paint: paint.bold },
      service.address ?? '-',
      {
        text: `${usable}/${total}`,
        paint: healthPaint(usable, total, paint),
      },
      formatRate(service.rates.requestsPerSecond),
      formatShare(service.rates.errorRatio),
      service.policy,
    ])
    for (const endpoint of service.endpoints) rows.push(endpointRow(endpoint, paint))
  }
  const headers = ['NAME', 'ADDRESS', 'HEALTHY', 'REQ/S', 'ERRORS', 'POLICY']
  return renderTable(headers, rows, { ...options, right: ['REQ/S', 'ERRORS'] })
}

/** A Service without endpoints may be there only for its routes to others. */
export function healthPaint(usable: number, total: number, paint: Paint): Painter {
  if (total === 0) return paint.dim
  if (usable === 0) return paint.bad
  return usable < total ? paint.warn : paint.good
}

export function isUsable(endpoint: EndpointStatus): boolean {
  return endpoint.healthy && !endpoint.ejected && !endpoint.draining
}

function endpointRow(endpoint: EndpointStatus, paint: Paint): Cell[] {
  const states = [
    ...(endpoint.healthy ? [] : ['unhealthy']),
    ...(endpoint.ejected ? ['ejected'] : []),
    ...(endpoint.draining ? ['draining'] : []),
  ]
  const state: Cell =
    states.length === 0
      ? { text: 'healthy', paint: paint.good }
      : { text: states.join(', '), paint: endpoint.healthy && !endpoint.ejected ? paint.warn : paint.bad }
  const notes = [
    ...(endpoint.workload === '' ? [] : [endpoint.workload]),
    ...(endpoint.zone === '' ? [] : [`zone ${endpoint.zone}`]),
    ...(endpoint.weight === 1 ? [] : [`weight ${endpoint.weight}`]),
    ...(endpoint.activeRequests === 0 ? [] : [`${endpoint.activeRequests} under way`]),
  ]
  return [
    `  ${endpoint.id}`,
    '',
    state,
    formatRate(endpoint.rates.requestsPerSecond),
    formatShare(endpoint.rates.errorRatio),
    { text: notes.join(', '), paint: paint.dim },
  ]
}
