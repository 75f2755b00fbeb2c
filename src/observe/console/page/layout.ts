import type { EndpointStatus, ServiceStatus, StatusDocument } from '../status-document.ts'

export interface PictureNode {
  readonly id: string
  readonly kind: 'entry' | 'route' | 'service' | 'endpoint'
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly title: string
  readonly subtitle: string
  readonly requestsPerSecond: number
  readonly errorRatio: number
  readonly state: EndpointState
  /** Services: the states of the endpoints, where they have no nodes of their own. */
  readonly dots: readonly EndpointState[]
}

export type EndpointState = 'healthy' | 'unhealthy' | 'ejected' | 'draining' | 'none'

export interface PictureEdge {
  readonly id: string
  readonly x1: number
  readonly y1: number
  readonly x2: number
  readonly y2: number
  readonly requestsPerSecond: number
  readonly errorRatio: number
  readonly hasLabel: boolean
}

export interface Picture {
  readonly width: number
  readonly height: number
  readonly nodes: readonly PictureNode[]
  readonly edges: readonly PictureEdge[]
  /** Services that were left out. */
  readonly hiddenServices: number
}

interface Link {
  readonly from: string
  readonly to: string
  requestsPerSecond: number
  errorsPerSecond: number
}

interface Box {
  id: string
  height: number
  /** Where its middle would like to be. */
  wish: number
  y: number
}

export function endpointState(endpoint: EndpointStatus): EndpointState {
  if (endpoint.draining) return 'draining'
  if (endpoint.ejected) return 'ejected'
  return endpoint.healthy ? 'healthy' : 'unhealthy'
}

/** The state of a service is that of its best endpoint. */
export function serviceState(service: ServiceStatus): EndpointState {
  const states = service.endpoints.map(endpointState)
  return (['healthy', 'draining', 'ejected', 'unhealthy'] as const).find(state => states.includes(state)) ?? 'none'
}

/** `Gateway shop/web/http` is the entry `Gateway shop/web`; ports of services are entered from inside the mesh. */
export function entryOf(virtualHost: string): string {
  return isEntry(virtualHost) ? virtualHost.slice(0, virtualHost.lastIndexOf('/')) : 'mesh'
}

export function isEntry(id: string): boolean {
  return id.startsWith('Gateway ') || id.startsWith('ListenerSet ')
}

/** Every edge that is configured, and those that have traffic without being, with their rates. */
export function collectLinks(status: StatusDocument): Map<string, Link> {
  const links = new Map<string, Link>()
  const link = (from: string, to: string): Link => {
    const key = `${from}\n${to}`
    let found = links.get(key)
    if (found === undefined) {
      found = { from, to, requestsPerSecond: 0, errorsPerSecond: 0 }
      links.set(key, found)
    }
    return found
  }
  for (const route of status.routes) {
    // The route that a service has by itself is not drawn: it would be a second node for the service.
    if (route.key.startsWith('Service ')) continue
    for (const virtualHost of route.virtualHosts) link(entryOf(virtualHost), route.key)
    for (const rule of route.rules) {
      for (const backend of rule.backends) if (backend.invalid === undefined) link(route.key, backend.key)
    }
  }
  for (const flow of status.flows) {
    const entry = entryOf(flow.virtualHost)
    const path =
      flow.route.startsWith('Service ') || flow.route === '' ? [entry, flow.backend] : [entry, flow.route, flow.backend]
    for (let i = 1; i < path.length; i++) {
      const from = path[i - 1]
      const to = path[i]
      if (from === undefined || to === undefined || to === '') continue
      const found = link(from, to)
      found.requestsPerSecond += flow.requestsPerSecond
      found.errorsPerSecond += flow.requestsPerSecond * flow.errorRatio
    }
  }
  return links
}

/** Services that routes lead to first, in the order of the routes, so that edges cross little; then by name. */
export function orderServices(status: StatusDocument, links: ReadonlyMap<string, Link>): ServiceStatus[] {
  const ranks = new Map<string, number>()
  for (const link of links.values()) if (!ranks.has(link.to)) ranks.set(link.to, ranks.size)
  const rank = (service: ServiceStatus): number => ranks.get(service.key) ?? Number.MAX_SAFE_INTEGER
  return status.services.toSorted((a, b) => rank(a) - rank(b) || (a.key < b.key ? -1 : 1))
}

/** Puts boxes in their order as near to their wishes as they fit without overlap. */
export function placeBoxes(boxes: readonly Box[], gap: number, height: number): void {
  let end = 0
  for (const box of boxes) {
    box.y = Math.max(end, box.wish - box.height / 2)
    end = box.y + box.height + gap
  }
  let limit = height
  for (const box of boxes.toReversed()) {
    box.y = Math.min(box.y, limit - box.height)
    limit = box.y - gap
  }
}

/**
 * Places the mesh as columns: entries, routes, services and, where there is
 * room, endpoints. Pure, so that the same mesh always looks the same; nothing
 * moves because of traffic.
 *
 * @param width pixels; from 900 endpoints are nodes, below 700 there are only routes and services
 * @param maxServices further ones are left out
 */
export function layoutMesh(status: StatusDocument, width: number, maxServices: number): Picture {
  const links = collectLinks(status)
  const ordered = orderServices(status, links)
  const services = ordered.slice(0, maxServices)
  const isNarrow = width < 700
  const hasEndpoints = width >= 900 && services.length <= 16
  const columns = columnsOf(width, isNarrow, hasEndpoints)
  const boxes = boxesOf(status, services, links, hasEndpoints, isNarrow)
  const nodes = [
    ...(isNarrow ? [] : entryNodes(status, boxes.entries, columns.entry, links)),
    ...routeNodes(status, boxes.routes, columns.route, isNarrow),
    ...serviceNodes(services, boxes.services, columns.service, hasEndpoints),
    ...(hasEndpoints ? endpointNodes(services, boxes.services, columns.endpoint) : []),
  ]
  return {
    width,
    height: boxes.height,
    nodes,
    edges: edgesOf(nodes, links, services, hasEndpoints),
    hiddenServices: ordered.length - services.length,
  }
}

interface Column {
  readonly x: number
  readonly width: number
}

export function columnsOf(
  width: number,
  isNarrow: boolean,
  hasEndpoints: boolean,
): { entry: Column; route: Column; service: Column; endpoint: Column } {
  const none = { x: 0, width: 0 }
  if (isNarrow) {
    const column = Math.floor(width * 0.425)
    return {
      entry: none,
      route: { x: 0, width: column },
      service: { x: width - column, width: column },
      endpoint: none,
    }
  }
  const shares = hasEndpoints ? [0.13, 0.2, 0.2, 0.19] : [0.16, 0.24, 0.26]
  const widths = shares.map(share => Math.floor(share * width))
  const gap = (width - widths.reduce((sum, each) => sum + each, 0)) / (widths.length - 1)
  const at = (index: number): Column => {
    const before = widths.slice(0, index).reduce((sum, each) => sum + each + gap, 0)
    return { x: Math.round(before), width: widths[index] ?? 0 }
  }
  return { entry: at(0), route: at(1), service: at(2), endpoint: hasEndpoints ? at(3) : none }
}

/** How tall the row of endpoints beside a service is. */
export function endpointRows(service: ServiceStatus): number {
  return Math.max(1, Math.min(service.endpoints.length, 5))
}

export function boxesOf(
  status: StatusDocument,
  services: readonly ServiceStatus[],
  links: ReadonlyMap<string, Link>,
  hasEndpoints: boolean,
  isNarrow: boolean,
): { entries: Box[]; routes: Box[]; services: Box[]; height: number } {
  const known = new Set(status.services.map(service => service.key))
  const shown = new Set(services.map(service => service.key))
  const routeKeys = status.routes
    .map(route => route.key)
    .filter(key => {
      if (key.startsWith('Service ')) return false
      // A route that leads only to services that are left out is left out with them.
      const ends = Array.from(links.values()).filter(link => link.from === key)
      return ends.length === 0 || ends.some(link => shown.has(link.to)) || !ends.some(link => known.has(link.to))
    })
  const entryKeys = new Set(status.gateways.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`))
  for (const link of links.values()) if (link.from === 'mesh' || isEntry(link.from)) entryKeys.add(link.from)
  if (entryKeys.size === 0 && services.length > 0) entryKeys.add('mesh')
  const blocks = services.map(service => (hasEndpoints ? Math.max(46, endpointRows(service) * 26 - 4) : 46))
  const gap = hasEndpoints ? 20 : 12
  const total = (heights: readonly number[], space: number): number =>
    heights.reduce((sum, height) => sum + height + space, -space)
  const height = Math.max(
    total(blocks, gap),
    routeKeys.length * 58 - 12,
    isNarrow ? 0 : entryKeys.size * 64 - 16,
    services.length === 0 ? 0 : 46,
  )
  const middles = new Map<string, number>()
  let y = Math.max(0, (height - total(blocks, gap)) / 2)
  const serviceBoxes = services.map((service, index) => {
    const block = blocks[index] ?? 46
    const box: Box = { id: service.key, height: block, wish: y + block / 2, y }
    middles.set(service.key, box.wish)
    y += block + gap
    return box
  })
  const wishOf = (id: string): number => {
    const ends = Array.from(links.values()).filter(link => link.from === id && middles.has(link.to))
    if (ends.length === 0) return height / 2
    return ends.reduce((sum, link) => sum + (middles.get(link.to) ?? 0), 0) / ends.length
  }
  const place = (keys: readonly string[], boxHeight: number, space: number): Box[] => {
    const placed = keys
      .map(id => ({ id, height: boxHeight, wish: wishOf(id), y: 0 }))
      .toSorted((a, b) => a.wish - b.wish)
    placeBoxes(placed, space, height)
    for (const box of placed) middles.set(box.id, box.y + box.height / 2)
    return placed
  }
  const routes = place(routeKeys, 46, 12)
  return { entries: place([...entryKeys], 48, 16), routes, services: serviceBoxes, height }
}

export function entryNodes(
  status: StatusDocument,
  boxes: readonly Box[],
  column: Column,
  links: ReadonlyMap<string, Link>,
): PictureNode[] {
  return boxes.map(box => {
    const gateway = status.gateways.find(
      candidate => box.id === `${candidate.kind} ${candidate.namespace}/${candidate.name}`,
    )
    let requestsPerSecond = 0
    let errorsPerSecond = 0
    for (const link of links.values()) {
      if (link.from !== box.id) continue
      requestsPerSecond += link.requestsPerSecond
      errorsPerSecond += link.errorsPerSecond
    }
    const ports = [...new Set(gateway?.listeners.map(listener => `:${listener.port}`) ?? [])].join(' ')
    return {
      ...box,
      ...column,
      kind: 'entry',
      title: box.id === 'mesh' ? 'In the mesh' : box.id.slice(box.id.lastIndexOf('/') + 1),
      subtitle: box.id === 'mesh' ? 'service to service' : `${box.id.slice(0, box.id.indexOf(' '))} ${ports}`,
      requestsPerSecond,
      errorRatio: requestsPerSecond > 0 ? errorsPerSecond / requestsPerSecond : 0,
      state: 'none',
      dots: [],
    }
  })
}

export function routeNodes(
  status: StatusDocument,
  boxes: readonly Box[],
  column: Column,
  isNarrow: boolean,
): PictureNode[] {
  return boxes.map(box => {
    const route = status.routes.find(candidate => candidate.key === box.id)
    const entries = [...new Set(route?.virtualHosts.map(entryOf) ?? [])]
    const via = entries
      .map(entry => (entry === 'mesh' ? 'the mesh' : entry.slice(entry.lastIndexOf('/') + 1)))
      .join(', ')
    const hosts = route === undefined || route.hostnames.length === 0 ? 'any host' : route.hostnames.join(', ')
    return {
      ...box,
      ...column,
      kind: 'route',
      title: box.id.slice(box.id.lastIndexOf('/') + 1),
      subtitle: isNarrow ? `via ${via}` : hosts,
      requestsPerSecond: route?.rates.requestsPerSecond ?? 0,
      errorRatio: route?.rates.errorRatio ?? 0,
      state: 'none',
      dots: [],
    }
  })
}

export function serviceNodes(
  services: readonly ServiceStatus[],
  boxes: readonly Box[],
  column: Column,
  hasEndpoints: boolean,
): PictureNode[] {
  return services.map((service, index) => {
    const box = boxes[index]
    return {
      id: service.key,
      kind: 'service',
      ...column,
      y: (box?.y ?? 0) + ((box?.height ?? 46) - 46) / 2,
      height: 46,
      title: service.name,
      subtitle: `${service.namespace} :${service.port}`,
      requestsPerSecond: service.rates.requestsPerSecond,
      errorRatio: service.rates.errorRatio,
      state: serviceState(service),
      dots: hasEndpoints ? [] : service.endpoints.map(endpointState),
    }
  })
}

export function endpointNodes(
  services: readonly ServiceStatus[],
  boxes: readonly Box[],
  column: Column,
): PictureNode[] {
  const nodes: PictureNode[] = []
  services.forEach((service, index) => {
    const box = boxes[index]
    const rows = endpointRows(service)
    const shown = service.endpoints.length > rows ? rows - 1 : service.endpoints.length
    const top = (box?.y ?? 0) + ((box?.height ?? 46) - (rows * 26 - 4)) / 2
    const row = (at: number, id: string, title: string, rest: Partial<PictureNode>): PictureNode => ({
      id: `${service.key}\n${id}`,
      kind: 'endpoint',
      ...column,
      y: top + at * 26,
      height: 22,
      title,
      subtitle: '',
      requestsPerSecond: 0,
      errorRatio: 0,
      state: 'none',
      dots: [],
      ...rest,
    })
    service.endpoints.slice(0, shown).forEach((endpoint, at) => {
      const { requestsPerSecond, errorRatio } = endpoint.rates
      const name =
        endpoint.workload === '' ? endpoint.id : endpoint.workload.slice(endpoint.workload.lastIndexOf('/') + 1)
      nodes.push(
        row(at, endpoint.id, name, {
          subtitle: endpoint.id,
          requestsPerSecond,
          errorRatio,
          state: endpointState(endpoint),
        }),
      )
    })
    if (service.endpoints.length === 0) nodes.push(row(0, 'none', 'no endpoints', {}))
    const hidden = service.endpoints.slice(shown).map(endpointState)
    // The mark of the ones left out is that of a sick one among them.
    const state = hidden.find(each => each !== 'healthy') ?? 'healthy'
    if (hidden.length > 0) nodes.push(row(shown, 'more', `${hidden.length} more`, { state }))
  })
  return nodes
}

export function edgesOf(
  nodes: readonly PictureNode[],
  links: ReadonlyMap<string, Link>,
  services: readonly ServiceStatus[],
  hasEndpoints: boolean,
): PictureEdge[] {
  const byId = new Map(nodes.map(node => [node.id, node]))
  const arrivals = new Map<string, Link[]>()
  for (const link of links.values()) {
    if (!byId.has(link.from) || !byId.has(link.to)) continue
    const group = arrivals.get(link.to)
    if (group === undefined) arrivals.set(link.to, [link])
    else group.push(link)
  }
  const edges: PictureEdge[] = []
  for (const [to, group] of arrivals) {
    const target = byId.get(to)
    if (target === undefined) continue
    // Edges that end at one node arrive one below the other, in the order of where they come from.
    const middle = (link: Link): number => byId.get(link.from)?.y ?? 0
    group
      .toSorted((a, b) => middle(a) - middle(b))
      .forEach((link, index) => {
        const source = byId.get(link.from)
        if (source === undefined) return
        edges.push({
          id: `${link.from}\n${to}`,
          x1: source.x + source.width,
          y1: source.y + source.height / 2,
          x2: target.x,
          y2: target.y + (target.height * (index + 1)) / (group.length + 1),
          requestsPerSecond: link.requestsPerSecond,
          errorRatio: link.requestsPerSecond > 0 ? link.errorsPerSecond / link.requestsPerSecond : 0,
          hasLabel: group.length <= 4,
        })
      })
  }
  if (!hasEndpoints) return edges
  const keys = new Set(services.map(service => service.key))
  for (const node of nodes) {
    if (node.kind !== 'endpoint') continue
    const service = byId.get(node.id.slice(0, node.id.indexOf('\n')))
    if (service === undefined || !keys.has(service.id)) continue
    edges.push({
      id: node.id,
      x1: service.x + service.width,
      y1: service.y + service.height / 2,
      x2: node.x,
      y2: node.y + node.height / 2,
      requestsPerSecond: node.requestsPerSecond,
      errorRatio: node.errorRatio,
      hasLabel: false,
    })
  }
  return edges
}
