import type { Problem } from '../../../core/index.ts'
import type { Condition, ListenerStatus, ResourceStatus } from '../../../model/index.ts'
import type { NetworkPolicyStatus, RouteStatus, RuleBackendStatus, RuleStatus } from '../status-document.ts'
import type { PageElement } from './dom.ts'
import { element, keyed, part, setText } from './elements.ts'
import { formatRate, formatSeconds } from './format.ts'
import { setErrors, sparkline, updateSparkline } from './services.ts'

/** Builds the content anew only when it changed: configuration rests most of the time. */
export function redrawWhenChanged(target: PageElement, value: unknown, draw: () => PageElement[]): void {
  const signature = JSON.stringify(value)
  if (target.getAttribute('data-signature') === signature) return
  target.setAttribute('data-signature', signature)
  target.replaceChildren(...draw())
}

export function drawRoutes(list: PageElement, routes: readonly RouteStatus[]): void {
  const own = routes.filter(route => !route.key.startsWith('Service '))
  keyed(list, own, route => route.key, createRoute, updateRoute)
}

export function createRoute(route: RouteStatus): PageElement {
  const [kind = '', name = route.key] = route.key.split(' ', 2)
  return element(
    'article',
    { class: 'route' },
    element(
      'header',
      {},
      element('h3', {}, element('span', { class: 'kind' }, kind), name),
      sparkline(),
      element(
        'p',
        { class: 'figures' },
        element('span', { 'data-part': 'rate', class: 'strong' }),
        element('span', { 'data-part': 'errors' }),
        element('span', { 'data-part': 'p99' }),
      ),
    ),
    element('p', { class: 'where', 'data-part': 'where' }),
    element('ol', { class: 'rules', 'data-part': 'rules' }),
  )
}

export function updateRoute(article: PageElement, route: RouteStatus): void {
  setText(part(article, 'rate'), `${formatRate(route.rates.requestsPerSecond)} req/s`)
  setErrors(part(article, 'errors'), route.rates.requestsPerSecond > 0, route.rates.errorRatio)
  setText(part(article, 'p99'), `p99 ${formatSeconds(route.rates.p99)}`)
  updateSparkline(part(article, 'spark'), route.rates.recent)
  redrawWhenChanged(part(article, 'where'), [route.hostnames, route.virtualHosts], () => whereOf(route))
  redrawWhenChanged(part(article, 'rules'), route.rules, () => route.rules.map(drawRule))
}

export function whereOf(route: RouteStatus): PageElement[] {
  const chips = (texts: readonly string[]): PageElement[] => texts.map(text => element('span', { class: 'chip' }, text))
  return [
    ...chips(route.hostnames.length === 0 ? ['any host'] : route.hostnames),
    element('span', { class: 'muted' }, route.virtualHosts.length === 0 ? 'attached to nothing' : 'on'),
    ...chips(route.virtualHosts),
  ]
}

export function drawRule(rule: RuleStatus): PageElement {
  const item = element('li', {})
  const matches = element('div', { class: 'matches' })
  if (rule.name !== null) matches.append(element('span', { class: 'muted' }, `${rule.name}:`))
  rule.matches.forEach((match, index) => {
    if (index > 0) matches.append(element('span', { class: 'muted' }, 'or'))
    matches.append(element('code', {}, match))
  })
  item.append(matches)
  if (rule.filters.length > 0) {
    item.append(element('ul', { class: 'filters' }, ...rule.filters.map(filter => element('li', {}, filter))))
  }
  const total = rule.backends.reduce((sum, backend) => sum + backend.weight, 0)
  const backends = element('ul', { class: 'backends' })
  for (const backend of rule.backends) backends.append(drawBackend(backend, total, rule.backends.length > 1))
  if (rule.backends.length > 0) item.append(backends)
  return item
}

export function drawBackend(backend: RuleBackendStatus, total: number, isSplit: boolean): PageElement {
  const item = element('li', { class: backend.invalid === undefined ? '' : 'bad' })
  if (isSplit) {
    const share = total > 0 ? (backend.weight / total) * 100 : 0
    const bar = element('span', { class: 'bar', 'aria-hidden': 'true' }, element('span', {}))
    bar.firstElementChild?.style.setProperty('width', `${share.toFixed(1)}%`)
    item.append(
      bar,
      element('span', { class: 'share' }, `${share < 10 && share > 0 ? share.toFixed(1) : Math.round(share)}%`),
    )
  }
  item.append(element('span', {}, backend.key))
  if (backend.invalid !== undefined) item.append(element('span', { class: 'why' }, backend.invalid))
  return item
}

export function drawGateways(list: PageElement, gateways: readonly ResourceStatus[]): void {
  redrawWhenChanged(list, gateways, () => gateways.map(drawGateway))
}

export function drawGateway(gateway: ResourceStatus): PageElement {
  return element(
    'article',
    { class: 'gateway' },
    element(
      'header',
      {},
      element('h3', {}, element('span', { class: 'kind' }, gateway.kind), `${gateway.namespace}/${gateway.name}`),
      element(
        'p',
        { class: 'muted' },
        gateway.kind === 'ListenerSet' ? '' : gateway.addresses.join(', ') || 'no address yet',
      ),
    ),
    drawConditions(gateway.conditions),
    element('ul', { class: 'listeners' }, ...gateway.listeners.map(drawListener)),
  )
}

export function drawListener(listener: ListenerStatus): PageElement {
  const routes = `${listener.attachedRoutes} ${listener.attachedRoutes === 1 ? 'route' : 'routes'}`
  return element(
    'li',
    {},
    element(
      'p',
      {},
      element('span', { class: 'strong' }, listener.name),
      element('span', {}, `${listener.protocol} :${listener.port}`),
      element('span', { class: 'muted' }, `${listener.hostname ?? 'any host'}, ${routes}`),
    ),
    drawConditions(listener.conditions),
  )
}

/** `Conflicted` and the like are bad when true, all others when they are not. */
export function isConditionGood(condition: Condition): boolean {
  const isNegative = /^(Conflicted|OverlappingTLSConfig|Detached|PartiallyInvalid)$/.test(condition.type)
  return condition.status === (isNegative ? 'False' : 'True')
}

export function drawConditions(conditions: readonly Condition[]): PageElement {
  const list = element('ul', { class: 'conditions' })
  for (const condition of conditions) {
    const isGood = isConditionGood(condition)
    const level = isGood ? 'good' : condition.status === 'Unknown' ? 'warn' : 'bad'
    const isNegated = condition.status === 'False'
    const text = isGood && isNegated ? `not ${condition.type.toLowerCase()}` : condition.type
    const item = element('li', { class: `condition ${level}`, title: condition.message })
    item.append(element('span', {}, isGood ? text : `${text}: ${condition.reason}`))
    if (!isGood && condition.message !== '') item.append(element('span', { class: 'why' }, condition.message))
    list.append(item)
  }
  return list
}

export function drawNetworkPolicies(list: PageElement, policies: readonly NetworkPolicyStatus[]): void {
  redrawWhenChanged(list, policies, () => policies.map(drawNetworkPolicy))
}

export function drawNetworkPolicy(policy: NetworkPolicyStatus): PageElement {
  const { selects, ingressRules, egressRules, state, isEnforced } = policy
  const states = [
    element('li', { class: `condition ${isEnforced ? 'good' : 'bad'}` }, isEnforced ? 'Enforced' : 'Not enforced'),
  ]
  if (state !== 'accepted') {
    const why = state === 'stand-in' ? 'it has mistakes' : 'no room for its rules'
    states.push(element('li', { class: 'condition bad' }, `Closed: ${why}`))
  }
  const rules = [rulesText('ingress', ingressRules), rulesText('egress', egressRules)].filter(text => text !== '')
  return element(
    'article',
    { class: 'gateway' },
    element(
      'header',
      {},
      element('h3', {}, element('span', { class: 'kind' }, 'NetworkPolicy'), policy.name),
      element('p', { class: 'muted' }, `${rules.join(', ')} of ${selects.join(', ') || 'nothing'}`),
    ),
    element('ul', { class: 'conditions' }, ...states),
  )
}

/** `no ingress`, `ingress by 2 rules`; empty where nothing is said. */
export function rulesText(direction: 'ingress' | 'egress', count: number | null): string {
  if (count === null) return ''
  return count === 0 ? `no ${direction}` : `${direction} by ${count} ${count === 1 ? 'rule' : 'rules'}`
}

export function drawProblems(list: PageElement, problems: readonly Problem[]): void {
  redrawWhenChanged(list, problems, () => problems.map(drawProblem))
}

export function drawProblem(problem: Problem): PageElement {
  const position = [problem.file, problem.line].filter(each => each !== undefined).join(':')
  const item = element('li', { class: `problem ${problem.severity === 'error' ? 'bad' : 'warn'}` })
  item.append(
    element('span', { class: 'severity' }, problem.severity),
    element('span', { class: 'strong' }, problem.resource ?? (problem.file === undefined ? 'agent' : 'document')),
    element('span', { class: 'message' }, problem.message),
  )
  const at = element('span', { class: 'position' })
  if (problem.path !== '') at.append(element('code', {}, problem.path))
  if (position !== '') at.append(element('span', { class: 'muted' }, position))
  item.append(at)
  return item
}
