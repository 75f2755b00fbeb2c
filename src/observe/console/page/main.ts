import type { StatusDocument } from '../status-document.ts'
import { drawGateways, drawNetworkPolicies, drawProblems, drawRoutes } from './configuration.ts'
import type { PageDocument } from './dom.ts'
import { byId, part, setAttribute, setText } from './elements.ts'
import { errorLevel, formatRate, formatSeconds, formatShare, formatUptime } from './format.ts'
import { layoutMesh } from './layout.ts'
import { drawPicture } from './picture.ts'
import { drawServices, matchesFilter, sparkline, updateSparkline } from './services.ts'

declare const document: PageDocument
declare const addEventListener: (type: string, listener: () => void) => void

/** What the reader chose, and what came last. */
export interface PageState {
  status: StatusDocument | undefined
  filter: string
  showsAll: boolean
}

/** The page's own start: draws whatever `status.json` beside it says, every second. */
export function startPage(): void {
  const state: PageState = { status: undefined, filter: '', showsAll: false }
  byId('total-trend').append(sparkline())
  const filter = byId('filter')
  filter.addEventListener('input', () => {
    state.filter = filter.value
    draw(state)
  })
  byId('show-all').addEventListener('click', () => {
    state.showsAll = !state.showsAll
    draw(state)
  })
  addEventListener('resize', () => draw(state))
  document.addEventListener('visibilitychange', () => void refresh(state))
  void poll(state)
}

export async function poll(state: PageState): Promise<void> {
  for (;;) {
    if (!document.hidden) await refresh(state)
    await new Promise<void>(resolve => setTimeout(resolve, 1000))
  }
}

/** Asks once. A failure is shown and the last picture stays, greyed. */
export async function refresh(state: PageState): Promise<void> {
  try {
    const response = await fetch('status.json', { cache: 'no-store', signal: AbortSignal.timeout(5000) })
    if (!response.ok) throw new Error(`status ${response.status}`)
    state.status = (await response.json()) as StatusDocument
  } catch {
    showConnection(false)
    return
  }
  showConnection(true)
  draw(state)
}

export function showConnection(isLive: boolean): void {
  setAttribute(document.body, 'class', isLive ? 'live' : 'stale')
  const place = byId('connection')
  if (isLive) setText(place, 'Live')
  else if (!(place.textContent ?? '').startsWith('No answer')) {
    setText(place, `No answer since ${new Date().toLocaleTimeString('en-GB')}`)
  }
}

export function draw(state: PageState): void {
  const { status } = state
  if (status === undefined) return
  drawAgent(status)
  drawFigures(status)
  drawMesh(status, state.showsAll)
  drawProblems(byId('problem-list'), status.problems)
  byId('problems').hidden = status.problems.length === 0
  const shown = status.services
    .filter(service => matchesFilter(service, state.filter))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
  drawServices(byId('service-table'), shown)
  setText(byId('service-count'), countText(shown.length, status.services.length))
  byId('service-table').hidden = shown.length === 0
  byId('no-services').hidden = shown.length > 0
  setText(byId('no-services'), status.services.length === 0 ? 'There are no services yet.' : 'No service matches.')
  const own = status.routes.filter(route => !route.key.startsWith('Service ')).length
  drawRoutes(byId('route-list'), status.routes)
  setText(byId('route-count'), String(own))
  byId('no-routes').hidden = own > 0
  drawGateways(byId('gateway-list'), status.gateways)
  setText(byId('gateway-count'), String(status.gateways.length))
  byId('no-gateways').hidden = status.gateways.length > 0
  drawNetworkPolicies(byId('policy-list'), status.networkPolicies)
  setText(byId('policy-count'), String(status.networkPolicies.length))
  byId('policies').hidden = status.networkPolicies.length === 0
}

export function countText(shown: number, all: number): string {
  return shown === all ? String(all) : `${shown} of ${all}`
}

export function drawAgent(status: StatusDocument): void {
  const { agent } = status
  const badge = byId('ready')
  setText(badge, agent.ready ? 'Ready' : 'Not ready')
  setAttribute(badge, 'class', `badge ${agent.ready ? 'good' : 'warn'}`)
  const awaiting = byId('awaiting')
  awaiting.hidden = agent.awaiting.length === 0
  setText(awaiting, `Waiting for ${agent.awaiting.join(', ')}`)
  setText(byId('version'), agent.version)
  setText(byId('uptime'), formatUptime(agent.uptimeSeconds))
  setText(byId('workers'), String(agent.workers))
  setText(byId('pid'), String(agent.pid))
  setText(byId('config-version'), String(agent.configVersion))
  setText(byId('tier'), agent.tier.active)
  setAttribute(byId('tier'), 'title', agent.tier.reason)
  document.title = `${agent.ready ? '' : 'Not ready – '}Heddle`
}

export function drawFigures(status: StatusDocument): void {
  const { rates } = status
  const endpoints = status.services.flatMap(service => service.endpoints)
  const healthy = endpoints.filter(endpoint => endpoint.healthy && !endpoint.ejected && !endpoint.draining).length
  const errors = rates.requestsPerSecond > 0
  setText(byId('total-rate'), formatRate(rates.requestsPerSecond))
  setText(byId('total-errors'), errors ? formatShare(rates.errorRatio) : '–')
  setAttribute(byId('total-errors'), 'class', `value ${errors ? errorLevel(rates.errorRatio) : ''}`)
  setText(byId('total-p50'), formatSeconds(rates.p50))
  setText(byId('total-p99'), formatSeconds(rates.p99))
  setText(byId('total-active'), String(endpoints.reduce((sum, endpoint) => sum + endpoint.activeRequests, 0)))
  setText(byId('total-healthy'), `${healthy} / ${endpoints.length}`)
  setAttribute(byId('total-healthy'), 'class', `value ${healthy < endpoints.length ? 'warn' : ''}`)
  updateSparkline(part(byId('total-trend'), 'spark'), rates.recent)
}

export function drawMesh(status: StatusDocument, showsAll: boolean): void {
  const frame = byId('mesh-frame')
  const picture = layoutMesh(status, Math.max(280, frame.clientWidth), showsAll ? 1000 : 16)
  const isEmpty = picture.nodes.length === 0
  byId('mesh-svg').removeAttribute('hidden')
  if (isEmpty) byId('mesh-svg').setAttribute('hidden', '')
  byId('mesh-empty').hidden = !isEmpty
  if (!isEmpty) drawPicture(byId('mesh-svg'), picture)
  const button = byId('show-all')
  button.hidden = picture.hiddenServices === 0 && !(showsAll && status.services.length > 16)
  setText(button, showsAll ? 'Show fewer' : `Show all ${status.services.length} services`)
}
