import type { EndpointStatus, ServiceStatus } from '../status-document.ts'
import type { PageElement } from './dom.ts'
import { drawing, element, keyed, part, setAttribute, setText } from './elements.ts'
import { errorLevel, formatRate, formatSeconds, formatShare, sparkPath } from './format.ts'
import { endpointState } from './layout.ts'
import type { EndpointState } from './layout.ts'
import { markIcon } from './picture.ts'

/** One table body per service: its row, and its endpoints, which are shown on request. */
export function drawServices(table: PageElement, services: readonly ServiceStatus[]): void {
  keyed(table, services, service => service.key, createService, updateService)
}

export function matchesFilter(service: ServiceStatus, filter: string): boolean {
  const words = filter.toLowerCase().split(/\s+/)
  const states = service.endpoints.map(endpoint => `${endpoint.id} ${endpoint.workload} ${endpointState(endpoint)}`)
  const text = `${service.key} ${service.address ?? ''} ${service.protocol} ${states.join(' ')}`.toLowerCase()
  return words.every(word => text.includes(word))
}

export function cell(name: string, label: string, className: string): PageElement {
  return element('td', { 'data-part': name, 'data-label': label, class: className })
}

export function createService(service: ServiceStatus): PageElement {
  const detailsId = `details ${service.key}`.replace(/[^a-zA-Z0-9]+/g, '-')
  const button = element(
    'button',
    { type: 'button', class: 'fold', 'aria-expanded': 'false', 'aria-controls': detailsId },
    element('span', { class: 'service-name' }, service.name),
    element('span', { class: 'muted', 'data-part': 'where' }),
  )
  const details = element('tr', { id: detailsId, class: 'details' })
  details.hidden = true
  button.addEventListener('click', () => {
    details.hidden = !details.hidden
    setAttribute(button, 'aria-expanded', String(!details.hidden))
  })
  details.append(
    element(
      'td',
      { colspan: '8' },
      element('p', { class: 'policy' }, element('span', { 'data-part': 'policy' })),
      element(
        'table',
        { class: 'inner', 'data-part': 'inner' },
        element('caption', { class: 'unseen' }, `Endpoints of ${service.key}`),
        element(
          'thead',
          {},
          headRow(['Endpoint', 'Workload', 'Zone', 'State', 'Weight', 'In flight', 'Req/s', 'Errors']),
        ),
        element('tbody', { 'data-part': 'endpoints' }),
      ),
      element('p', { class: 'muted', 'data-part': 'none' }, 'No endpoint is known: requests are answered with 503.'),
    ),
  )
  const row = element(
    'tr',
    { class: 'service' },
    element('th', { scope: 'row' }, button),
    cell('dots', 'Endpoints', 'dots'),
    cell('rate', 'Req/s', 'number strong'),
    cell('errors', 'Errors', 'number'),
    cell('p50', 'p50', 'number'),
    cell('p99', 'p99', 'number'),
    element('td', { class: 'trend' }, sparkline()),
    cell('address', 'Address', 'address'),
  )
  return element('tbody', {}, row, details)
}

export function headRow(names: readonly string[]): PageElement {
  const row = element('tr', {})
  names.forEach((name, index) => row.append(element('th', { scope: 'col', class: index > 3 ? 'number' : '' }, name)))
  return row
}

export function sparkline(): PageElement {
  return drawing(
    'svg',
    { class: 'spark', viewBox: '0 0 120 26', width: '120', height: '26', 'aria-hidden': 'true', 'data-part': 'spark' },
    drawing('path', { 'data-part': 'area', class: 'area' }),
    drawing('path', { 'data-part': 'curve', class: 'curve' }),
  )
}

export function updateSparkline(spark: PageElement, recent: readonly number[]): void {
  const curve = sparkPath(recent, 120, 26, 60)
  setAttribute(part(spark, 'curve'), 'd', curve)
  const start = (120 - (recent.length - 1) * (120 / 59)).toFixed(1)
  setAttribute(part(spark, 'area'), 'd', curve === '' ? '' : `${curve}V26H${start}Z`)
  setAttribute(spark, 'class', recent.some(rate => rate > 0) ? 'spark' : 'spark quiet')
}

export function updateService(body: PageElement, service: ServiceStatus): void {
  setText(
    part(body, 'where'),
    `${service.namespace} :${service.port}${service.protocol === 'http1' ? '' : ` ${service.protocol}`}`,
  )
  const states = service.endpoints.map(endpointState)
  updateDots(part(body, 'dots'), states)
  const { rates } = service
  const isBusy = rates.requestsPerSecond > 0
  setText(part(body, 'rate'), formatRate(rates.requestsPerSecond))
  setErrors(part(body, 'errors'), isBusy, rates.errorRatio)
  setText(part(body, 'p50'), formatSeconds(rates.p50))
  setText(part(body, 'p99'), formatSeconds(rates.p99))
  updateSparkline(part(body, 'spark'), rates.recent)
  setText(part(body, 'address'), service.address ?? '–')
  setText(part(body, 'policy'), service.policy)
  part(body, 'none').hidden = service.endpoints.length > 0
  part(body, 'inner').hidden = service.endpoints.length === 0
  keyed(part(body, 'endpoints'), service.endpoints, endpoint => endpoint.id, createEndpoint, updateEndpoint)
}

export function setErrors(target: PageElement, isBusy: boolean, ratio: number): void {
  setText(target, isBusy ? formatShare(ratio) : '–')
  setAttribute(target, 'class', `number ${isBusy ? errorLevel(ratio) : ''}`)
}

export function updateDots(target: PageElement, states: readonly EndpointState[]): void {
  const signature = states.join(' ')
  if (target.getAttribute('data-states') === signature) return
  target.setAttribute('data-states', signature)
  const healthy = states.filter(state => state === 'healthy').length
  const count = element(
    'span',
    { class: healthy === states.length && healthy > 0 ? 'count' : 'count off' },
    `${healthy}/${states.length}`,
  )
  const shown =
    states.length > 6 ? states.toSorted((a, b) => (a === b ? 0 : a === 'healthy' ? 1 : -1)).slice(0, 6) : states
  target.replaceChildren(...shown.map(markIcon), count)
}

export function createEndpoint(endpoint: EndpointStatus): PageElement {
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, endpoint.id),
    cell('workload', 'Workload', ''),
    cell('zone', 'Zone', ''),
    cell('state', 'State', 'state'),
    cell('weight', 'Weight', 'number'),
    cell('active', 'In flight', 'number'),
    cell('rate', 'Req/s', 'number'),
    cell('errors', 'Errors', 'number'),
  )
}

export function updateEndpoint(row: PageElement, endpoint: EndpointStatus): void {
  setText(part(row, 'workload'), endpoint.workload === '' ? '–' : endpoint.workload)
  setText(part(row, 'zone'), endpoint.zone === '' ? '–' : endpoint.zone)
  const state = endpointState(endpoint)
  const place = part(row, 'state')
  if (place.getAttribute('data-state') !== state) {
    place.setAttribute('data-state', state)
    place.replaceChildren(markIcon(state), state)
  }
  setText(part(row, 'weight'), String(endpoint.weight))
  setText(part(row, 'active'), String(endpoint.activeRequests))
  setText(part(row, 'rate'), formatRate(endpoint.rates.requestsPerSecond))
  setErrors(part(row, 'errors'), endpoint.rates.requestsPerSecond > 0, endpoint.rates.errorRatio)
}
