import { formatProblem, MeshError } from '../core/index.ts'
import { nearest } from '../daemon/index.ts'
import type { ResourceDocument } from '../daemon/index.ts'
import type { Condition, ListenerStatus, ParentStatus, ResourceStatus } from '../model/index.ts'
import type { AgentClient } from './agent-client.ts'
import { usage } from './call.ts'
import { withoutControls } from './paint.ts'
import { conditionPaint, describeListener } from './conditions.ts'
import { renderTable } from './table.ts'
import type { RenderOptions } from './table.ts'

/** As users of kubectl write them. */
const kinds: Readonly<Record<string, string>> = {
  gateway: 'Gateway',
  gateways: 'Gateway',
  gtw: 'Gateway',
  gatewayclass: 'GatewayClass',
  gatewayclasses: 'GatewayClass',
  gc: 'GatewayClass',
  listenerset: 'ListenerSet',
  listenersets: 'ListenerSet',
  lset: 'ListenerSet',
  grpcroute: 'GRPCRoute',
  grpcroutes: 'GRPCRoute',
  httproute: 'HTTPRoute',
  httproutes: 'HTTPRoute',
  route: 'HTTPRoute',
  routes: 'HTTPRoute',
  tcproute: 'TCPRoute',
  tcproutes: 'TCPRoute',
  tlsroute: 'TLSRoute',
  tlsroutes: 'TLSRoute',
  udproute: 'UDPRoute',
  udproutes: 'UDPRoute',
  backendpolicy: 'BackendPolicy',
  backendpolicies: 'BackendPolicy',
  netpol: 'NetworkPolicy',
  networkpolicies: 'NetworkPolicy',
  networkpolicy: 'NetworkPolicy',
  httpfilter: 'HTTPFilter',
  httpfilters: 'HTTPFilter',
  backendtlspolicy: 'BackendTLSPolicy',
  backendtlspolicies: 'BackendTLSPolicy',
  wasmplugin: 'WasmPlugin',
  wasmplugins: 'WasmPlugin',
  trafficextension: 'TrafficExtension',
  trafficextensions: 'TrafficExtension',
  envoyextensionpolicy: 'EnvoyExtensionPolicy',
  envoyextensionpolicies: 'EnvoyExtensionPolicy',
}

export interface ResourceName {
  readonly kind: string
  readonly namespace: string | undefined
  readonly name: string
}

/**
 * `httproute/cart`, `HTTPRoute/shop/cart`; the namespace of `-n` counts for a name without one.
 *
 * @throws MeshError MESH_USAGE
 */
export function parseResourceName(text: string, namespace: string | undefined): ResourceName {
  const parts = text.split('/')
  const [word = '', first = '', second] = parts
  const kind = kinds[word.toLowerCase()]
  if (kind === undefined || first === '' || second === '' || parts.length > 3) {
    const known = [...new Set(Object.values(kinds))].join(', ')
    throw usage({ name: 'status' }, `status of what? ${JSON.stringify(text)} is not KIND/NAME with one of ${known}`)
  }
  return second === undefined ? { kind, namespace, name: first } : { kind, namespace: first, name: second }
}

/** @throws MeshError MESH_RESOURCE_UNKNOWN */
export async function readResource(agent: AgentClient, wanted: ResourceName): Promise<ResourceDocument> {
  const { kind, name, namespace } = wanted
  const query = new URLSearchParams({ kind, name, ...(namespace === undefined ? {} : { namespace }) })
  const document = await agent.json<ResourceDocument>(`/resource.json?${query.toString()}`)
  if (document.resources.length > 0 || document.problems.length > 0) return document
  const full = namespace === undefined ? name : `${namespace}/${name}`
  const near = nearest(full, namespace === undefined ? document.names.map(shortName) : document.names)
  const hint = near === undefined ? 'heddle status lists what there is' : `did you mean ${near}?`
  throw new MeshError('MESH_RESOURCE_UNKNOWN', `there is no ${kind} ${full}`, { source: 'config', hint })
}

function shortName(name: string): string {
  return name.slice(name.indexOf('/') + 1)
}

/** Everything that is known of the resources: each condition with its reason and message. */
export function renderResources({ resources, problems }: ResourceDocument, options: RenderOptions): string {
  const { paint } = options
  const sections = resources.map(resource => renderResource(resource, options))
  if (problems.length > 0) {
    const lines = problems.map(problem => {
      const mark = problem.severity === 'error' ? paint.bad('error') : paint.warn('warning')
      return `${mark} ${withoutControls(formatProblem(problem))}`
    })
    sections.push(`${paint.bold('Problems')}\n${lines.join('\n')}`)
  }
  return sections.join('\n\n')
}

function renderResource(resource: ResourceStatus, options: RenderOptions): string {
  const { paint } = options
  const { kind, namespace, name, generation } = resource
  const full = namespace === '' ? name : `${namespace}/${name}`
  const lines = [`${paint.bold(`${kind} ${full}`)}  ${paint.dim(`generation ${generation}`)}`]
  if (resource.addresses.length > 0) lines.push(`  addresses ${resource.addresses.join(', ')}`)
  const sets = resource.attachedListenerSets ?? 0
  if (sets > 0) lines.push(`  ${sets} accepted ListenerSet${sets === 1 ? '' : 's'}`)
  if (resource.conditions.length > 0) lines.push(renderConditions(resource.conditions, options, '  '))
  for (const listener of resource.listeners) lines.push('', ...renderListener(listener, options))
  for (const parent of resource.parents) lines.push('', ...renderParent(parent, options))
  const isEmpty = resource.conditions.length + resource.listeners.length + resource.parents.length === 0
  if (isEmpty) lines.push(paint.warn('  attached to nothing that is there'))
  return lines.join('\n')
}

function renderListener(listener: ListenerStatus, options: RenderOptions): string[] {
  const title = `  listener ${options.paint.name(describeListener(listener))}`
  return [title, renderConditions(listener.conditions, options, '    ')]
}

function renderParent({ parentRef, conditions }: ParentStatus, options: RenderOptions): string[] {
  const { kind, namespace, name, sectionName, port } = parentRef
  const section = sectionName === undefined ? '' : `/${sectionName}`
  const where = `${kind} ${namespace}/${name}${section}${port === undefined ? '' : `:${port}`}`
  return [`  on ${options.paint.name(where)}`, renderConditions(conditions, options, '    ')]
}

function renderConditions(conditions: readonly Condition[], options: RenderOptions, indent: string): string {
  const rows = conditions.map(condition => [
    condition.type,
    { text: condition.status, paint: conditionPaint(condition, options.paint) },
    condition.reason,
    condition.message,
  ])
  return renderTable(['CONDITION', 'STATUS', 'REASON', 'MESSAGE'], rows, { ...options, indent })
}
