import { formatProblem } from '../core/index.ts'
import type { Problem } from '../core/index.ts'
import type { ResourceStatus } from '../model/index.ts'
import type {
  AgentStatus,
  CertificateStatus,
  EndpointStatus,
  NetworkPolicyStatus,
  ServiceStatus,
  KeeperSummary,
  StatusDocument,
} from '../daemon/index.ts'
import { usage } from './call.ts'
import { agentOf, paintOf, printJson, wantsJson } from './context.ts'
import { withoutControls } from './paint.ts'
import type { Paint, Painter } from './paint.ts'
import { formatDuration, formatRate, formatShare } from './quantities.ts'
import { conditionsCell, describeListener } from './conditions.ts'
import { parseResourceName, readResource, renderResources } from './resource.ts'
import { isMissing, select, selectionFlags, selectionOf } from './selection.ts'
import { renderTable } from './table.ts'
import type { Cell, RenderOptions } from './table.ts'
import { colorFlag, outputFlag, socketFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const status: Verb = {
  name: 'status',
  summary: 'Gateways, routes, services and endpoints with their health and problems',
  usage: '[KIND/NAME]',
  flags: [...selectionFlags, outputFlag, socketFlag, colorFlag],
  examples: [
    'heddle status',
    'heddle status -n shop --service reviews',
    'heddle status httproute/cart -n shop',
    'heddle status service/reviews',
    'heddle status -o json',
  ],
  exits: ['1 also when the agent is not ready or what is shown has errors'],
  async run(call, io) {
    const agent = agentOf(call, io)
    const options = { paint: paintOf(call, io), width: io.columns }
    const [resource, extra] = call.positionals
    const [, service] = /^(?:svc|services?)\/(.+)$/i.exec(resource ?? '') ?? []
    const selection = { ...selectionOf(call), ...(service === undefined ? {} : { service }) }
    if (extra !== undefined) throw usage(status, `what is ${JSON.stringify(extra)}? status shows one KIND/NAME`)
    if (resource !== undefined && service === undefined) {
      const document = await readResource(agent, parseResourceName(resource, selection.namespace))
      if (wantsJson(call)) printJson(io, document)
      else io.out(`${renderResources(document, options)}\n`)
      return hasErrors(document) ? 1 : 0
    }
    const document = select(await agent.status(), selection)
    if (wantsJson(call)) printJson(io, document)
    else io.out(`${renderStatus(document, { ...options, areAllShown: selection.service !== undefined })}\n`)
    return document.agent.ready && !hasErrors(document) && !isMissing(document, selection) ? 0 : 1
  },
}

function hasErrors({ problems }: { readonly problems: readonly Problem[] }): boolean {
  return problems.some(({ severity }) => severity === 'error')
}

/** Terminals of so many columns have room for the virtual addresses of services. */
const wideColumns = 160

/** A service's endpoints beyond this are counted, not listed, unless the service was asked for. */
const shownEndpoints = 20

export function renderStatus(document: StatusDocument, options: RenderOptions): string {
  const { paint } = options
  const sections = [renderAgent(document.agent, paint)]
  const section = (title: string, content: string) => sections.push(`${paint.bold(title)}\n${content}`)
  const gateways = document.gateways.filter(({ kind }) => kind === 'Gateway')
  const listenerSets = document.gateways.filter(({ kind }) => kind === 'ListenerSet')
  if (gateways.length > 0) section('Gateways', renderGateways(gateways, options))
  if (listenerSets.length > 0) section('ListenerSets', renderListenerSets(listenerSets, options))
  if (document.routes.length > 0) section('Routes', renderRoutes(document, options))
  if (document.services.length > 0) section('Services', renderServices(document.services, options))
  if (document.networkPolicies.length > 0) {
    section('NetworkPolicies', renderNetworkPolicies(document.networkPolicies, options))
  }
  if (document.certificates.length > 0) section('Certificates', renderCertificates(document.certificates, options))
  if (document.problems.length > 0) {
    const lines = document.problems.map(problem => {
      const mark = problem.severity === 'error' ? paint.bad('error') : paint.warn('warning')
      return `${mark} ${withoutControls(formatProblem(problem))}`
    })
    section('Problems', lines.join('\n'))
  }
  return sections.join('\n\n')
}

/** `heddle 0.1.0, pid 42, up 3m 5s, ready, 2 workers, configuration 7` and what carries the traffic. */
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
  return [
    parts.join(', '),
    `tier: ${agent.tier.active} (${agent.tier.reason})`,
    `transport: ${agent.transport.active} (${agent.transport.reason})`,
    `names: ${agent.dns ?? 'off'}`,
    ...(agent.keeper === undefined ? [] : [renderKeeper(agent.keeper)]),
  ].join('\n')
}

function renderKeeper({ pid, version, sockets, programs, memoryBytes }: KeeperSummary): string {
  const memory = `${(memoryBytes / 2 ** 20).toFixed(1)} MB`
  return `keeper: pid ${pid}, version ${version}, holds ${sockets} sockets, ${programs} programs, takes ${memory}`
}

/** Workloads beyond this are counted, not named. */
const shownWorkloads = 3

function renderNetworkPolicies(policies: readonly NetworkPolicyStatus[], options: RenderOptions): string {
  const { paint } = options
  const rows = policies.map(({ name, selects, ingressRules, egressRules, state, isEnforced }): Cell[] => {
    const isClosed = state !== 'accepted'
    const why = state === 'stand-in' ? 'has mistakes' : 'no room'
    const enforced = isEnforced ? { text: 'yes', paint: paint.good } : { text: 'NO', paint: paint.bad }
    return [
      name,
      selects.length === 0
        ? { text: 'nothing', paint: paint.warn }
        : [
            ...selects.slice(0, shownWorkloads),
            ...(selects.length > shownWorkloads ? [`… ${selects.length - shownWorkloads} more`] : []),
          ].join(', '),
      rulesCell(ingressRules, isClosed, options),
      rulesCell(egressRules, isClosed, options),
      isClosed ? { text: `${enforced.text}, ${why}`, paint: paint.bad } : enforced,
    ]
  })
  return renderTable(['NAME', 'SELECTS', 'INGRESS', 'EGRESS', 'ENFORCED'], rows, options)
}

function rulesCell(count: number | null, isClosed: boolean, { paint }: RenderOptions): Cell {
  if (count === null) return '-'
  if (count === 0 || isClosed) return { text: 'deny all', paint: paint.warn }
  return count === 1 ? '1 rule' : `${count} rules`
}

function renderGateways(gateways: readonly ResourceStatus[], options: RenderOptions): string {
  const rows = gateways.map(gateway => [
    `${gateway.namespace}/${gateway.name}`,
    gateway.addresses.join(', ') || '-',
    ...listenerCells(gateway, options),
  ])
  return renderTable(['NAME', 'ADDRESS', 'LISTENERS', 'CONDITIONS'], rows, options)
}

/** Their addresses are those of their Gateways. */
function renderListenerSets(sets: readonly ResourceStatus[], options: RenderOptions): string {
  const rows = sets.map(set => [`${set.namespace}/${set.name}`, ...listenerCells(set, options)])
  return renderTable(['NAME', 'LISTENERS', 'CONDITIONS'], rows, options)
}

function listenerCells({ conditions, listeners }: ResourceStatus, { paint }: RenderOptions): Cell[] {
  return [
    listeners.map(describeListener).join(', ') || '-',
    conditionsCell([...conditions, ...listeners.flatMap(each => each.conditions)], paint),
  ]
}

function renderCertificates(certificates: readonly CertificateStatus[], options: RenderOptions): string {
  const { paint } = options
  const rows = certificates.map(({ name, names, notAfterMs, state, usedBy }) => [
    name,
    shorten(names),
    {
      text: `${new Date(notAfterMs).toISOString().slice(0, 10)}${state === 'valid' ? '' : ` (${certificateStates[state]})`}`,
      paint: state === 'valid' ? paint.good : state === 'expires-soon' ? paint.warn : paint.bad,
    },
    shorten(usedBy),
  ])
  return renderTable(['NAME', 'FOR', 'VALID UNTIL', 'USED BY'], rows, options)
}

const certificateStates: Readonly<Record<Exclude<CertificateStatus['state'], 'valid'>, string>> = {
  'expires-soon': 'soon',
  expired: 'expired',
  'not-yet-valid': 'not valid yet',
}

function shorten(texts: readonly string[]): string {
  const shown = texts.slice(0, 3).map(withoutControls).join(', ')
  return texts.length > 3 ? `${shown} and ${texts.length - 3} more` : shown || '-'
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
  const isWide = (options.width ?? 0) >= wideColumns
  const rows: Cell[][] = []
  for (const service of services) {
    const usable = service.endpoints.filter(isUsable).length
    const total = service.endpoints.length
    rows.push([
      { text: service.key, paint: paint.bold },
      service.address ?? '-',
      ...(isWide ? [service.virtualAddresses.join(', ') || '-'] : []),
      {
        text: `${usable}/${total}`,
        paint: healthPaint(usable, total, paint),
      },
      formatRate(service.rates.requestsPerSecond),
      formatShare(service.rates.errorRatio),
      service.policy,
    ])
    rows.push(...endpointRows(service.endpoints, options).map(row => (isWide ? row.toSpliced(2, 0, '') : row)))
  }
  const headers = ['NAME', 'ADDRESS', ...(isWide ? ['VIRTUAL ADDRESSES'] : []), 'HEALTHY', 'REQ/S', 'ERRORS', 'POLICY']
  return renderTable(headers, rows, { ...options, right: ['REQ/S', 'ERRORS'] })
}

/** Those that are not well come first where not all are shown. */
function endpointRows(endpoints: readonly EndpointStatus[], { paint, areAllShown }: RenderOptions): Cell[][] {
  if (areAllShown === true || endpoints.length <= shownEndpoints) return endpoints.map(each => endpointRow(each, paint))
  const shown = endpoints.toSorted((a, b) => Number(isUsable(a)) - Number(isUsable(b))).slice(0, shownEndpoints)
  const rest = { text: `  … ${endpoints.length - shownEndpoints} more endpoints`, paint: paint.dim }
  return [...shown.map(each => endpointRow(each, paint)), [rest]]
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
