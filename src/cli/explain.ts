import type { ExplainDocument, ExplainedCandidate, ExplainedStream, Mismatch } from '../daemon/index.ts'
import { describeFilter, describeMatch, describePlugin, describeRetry } from '../daemon/index.ts'
import { usage } from './call.ts'
import { agentOf, paintOf, printJson, wantsJson } from './context.ts'
import { withoutControls } from './paint.ts'
import type { Paint } from './paint.ts'
import { colorFlag, flagValue, outputFlag, socketFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const explain: Verb = {
  name: 'explain',
  summary: 'which listener, route, rule and backend a request would take, and why',
  usage: 'METHOD URL | TCP|TLS|UDP HOST:PORT',
  flags: [
    { name: 'header', short: 'H', value: 'NAME:VALUE', isRepeated: true, about: 'A header of the request.' },
    { name: 'from', value: '[NAMESPACE/]SERVICE', about: 'The client is this Service of the mesh.' },
    outputFlag,
    socketFlag,
    colorFlag,
  ],
  examples: [
    'heddle explain GET http://shop.localhost:8080/cart',
    "heddle explain GET http://reviews:9080/ --from shop/web -H 'x-user: anna'",
    'heddle explain TCP 127.0.0.1:5432',
    'heddle explain TLS db.example:443',
    'heddle explain POST http://api.localhost:8080/shop.Cart/Add -H content-type:application/grpc',
  ],
  exits: ['1 also when no rule takes the request'],
  async run(call, io) {
    const [first, second, extra] = call.positionals
    const [method, url] = second === undefined ? ['GET', first] : [first, second]
    if (url === undefined || method === undefined || extra !== undefined) {
      throw usage(explain, 'explain takes a method and a URL, such as GET http://shop.localhost:8080/cart')
    }
    const query = new URLSearchParams({
      method,
      url: url.includes('://') ? url : `${schemes.get(method.toUpperCase()) ?? 'http'}://${url}`,
    })
    for (const header of call.flags.get('header') ?? []) query.append('header', header)
    const from = flagValue(call, 'from')
    if (from !== undefined) query.append('from', from)
    const document = await agentOf(call, io).json<ExplainDocument>(`/explain?${query.toString()}`)
    if (wantsJson(call)) printJson(io, document)
    else io.out(`${renderExplanation(document, paintOf(call, io))}\n`)
    const isRouted = document.explanation?.kind === 'routed' || (document.stream?.route ?? null) !== null
    return isRouted ? 0 : 1
  },
}

/** What is forwarded as bytes has no method. */
const schemes: ReadonlyMap<string, string> = new Map([
  ['TCP', 'tcp'],
  ['TLS', 'tls'],
  ['UDP', 'udp'],
])

/** Candidates that do not fit, before the one that does: more than a few are noise. */
const shownMismatches = 8

/** A node of the tree: a line and what follows from it. */
interface Node {
  readonly text: string
  readonly children: readonly Node[]
}

export function renderExplanation(document: ExplainDocument, paint: Paint): string {
  const from = document.clientNamespace === null ? '' : paint.dim(`  from namespace ${document.clientNamespace}`)
  const root: Node = {
    text: `${paint.bold(`${document.method} ${withoutControls(document.url)}`)}${from}`,
    children: [listenerNode(document, paint)],
  }
  return renderTree(root)
}

function listenerNode(document: ExplainDocument, paint: Paint): Node {
  const { listener, explanation, refused } = document
  if (listener.kind === 'none') return leaf(`${paint.bad('no listener')}: ${listener.why}`)
  const text = `listener ${paint.name(listener.id)} ${paint.dim(`(${listener.why})`)}`
  if (refused !== null) return { text, children: [leaf(`${paint.bad('refused')}: ${withoutControls(refused)}`)] }
  if (document.stream !== null) return { text, children: [streamNode(document.stream, document, paint)] }
  if (explanation === null || explanation.kind === 'no-listener') {
    return { text, children: [leaf(paint.bad('not open: see heddle status'))] }
  }
  const hosts = explanation.virtualHosts.map(({ id, hostname, verdict }): Node => {
    const name = `${id}${hostname === undefined ? '' : ` for ${hostname}`}`
    switch (verdict) {
      case 'chosen':
        return {
          text: `${paint.good('✓')} virtual host ${paint.name(name)}`,
          children: explanation.kind === 'no-virtual-host' ? [] : ruleNodes(document, paint),
        }
      case 'less-specific':
        return leaf(paint.dim(`· ${name}: another hostname fits better`))
      case 'host-differs':
        return leaf(paint.dim(`✗ ${name}: the host differs`))
    }
  })
  const none = explanation.kind === 'no-virtual-host' ? [leaf(`${notFound(document, paint)}: no hostname fits`)] : []
  return { text, children: [...hosts, ...none] }
}

function streamNode(stream: ExplainedStream, document: ExplainDocument, paint: Paint): Node {
  const { virtualHost, route, serverName, tls } = stream
  const name = serverName === '' ? 'clients that name no server' : `server name ${withoutControls(serverName)}`
  if (virtualHost === null) return leaf(`${paint.bad('refused, no-route')}: no listener for ${name}`)
  const how = tls === null ? '' : `, TLS ${tls === 'terminate' ? 'ends here' : 'is passed through'}`
  const losers = stream.others.map(other => leaf(paint.dim(`✗ ${withoutControls(other.route)}: ${other.why}`)))
  const end: Node =
    route === null
      ? leaf(`${paint.bad('refused, no-route')}: no route${tls === null ? '' : ` for ${name}`}`)
      : {
          text: `${paint.good('✓')} ${paint.name(withoutControls(route))}`,
          children: [...pluginNodes(document, paint), ...backendNodes(document, paint)],
        }
  return { text: `${paint.good('✓')} virtual host ${paint.name(virtualHost)}${how}`, children: [...losers, end] }
}

function ruleNodes(document: ExplainDocument, paint: Paint): Node[] {
  const { explanation } = document
  if (explanation?.kind !== 'routed' && explanation?.kind !== 'no-match') return []
  const nodes: Node[] = []
  if (explanation.consumerNamespace !== undefined) {
    nodes.push(leaf(paint.dim(`routes of the client's namespace ${explanation.consumerNamespace} decide`)))
  }
  const { candidates } = explanation
  const winner = candidates.findIndex(({ verdict }) => verdict === 'chosen')
  const tried = winner < 0 ? candidates : candidates.slice(0, winner)
  for (const candidate of tried.slice(0, shownMismatches)) nodes.push(candidateNode(candidate, document, paint))
  const hidden = Math.max(0, tried.length - shownMismatches) + (winner < 0 ? explanation.omitted : 0)
  if (hidden > 0) nodes.push(leaf(paint.dim(`… ${hidden} more that do not fit`)))
  const chosen = candidates[winner]
  if (chosen === undefined) return [...nodes, leaf(`${notFound(document, paint)}: no rule fits`)]
  nodes.push(candidateNode(chosen, document, paint))
  const rest = describeRest(candidates.slice(winner + 1), explanation.omitted)
  return rest === '' ? nodes : [...nodes, leaf(paint.dim(`… ${rest}`))]
}

function notFound({ isGrpc }: ExplainDocument, paint: Paint): string {
  return paint.bad(isGrpc ? 'answer 200 with grpc-status 12 (unimplemented)' : 'answer 404')
}

/** What was not looked at any more; a rule of another path is not even found. */
function describeRest(rest: readonly ExplainedCandidate[], omitted: number): string {
  const onPath = rest.filter(({ mismatches }) => !mismatches.some(({ part }) => part === 'path')).length
  const elsewhere = rest.length - onPath + omitted
  const rules = (count: number) => `${count} ${count === 1 ? 'rule' : 'rules'}`
  const parts = [
    ...(onPath > 0 ? [`${rules(onPath).replace(' ', ' further ')} of lower precedence`] : []),
    ...(elsewhere > 0 ? [`${rules(elsewhere)} of other paths`] : []),
  ]
  return parts.join(', ')
}

function candidateNode(candidate: ExplainedCandidate, document: ExplainDocument, paint: Paint): Node {
  const rule = candidate.rule.name ?? `rule ${candidate.rule.index}`
  const host = candidate.hostname === undefined ? '' : ` for ${candidate.hostname}`
  const name = withoutControls(`${candidate.route.key} ${rule}${host}: ${describeMatch(candidate.match)}`)
  if (candidate.verdict === 'chosen') {
    return { text: `${paint.good('✓')} ${paint.name(name)}`, children: outcomeNodes(candidate, document, paint) }
  }
  return leaf(paint.dim(`✗ ${name}: ${candidate.mismatches.map(describeMismatch).join('; ')}`))
}

function outcomeNodes(candidate: ExplainedCandidate, document: ExplainDocument, paint: Paint): Node[] {
  const { rule } = candidate
  const filters = [
    ...pluginNodes(document, paint),
    ...rule.filters.map(filter => leaf(`filter ${withoutControls(describeFilter(filter))}`)),
  ]
  if (rule.failure !== undefined) {
    const text = `${paint.bad(`answer ${rule.failure.status}`)}: ${withoutControls(rule.failure.message)}`
    return [...filters, leaf(text)]
  }
  // They answer, and no backend hears of it.
  if (rule.filters.some(({ kind }) => kind === 'redirect' || kind === 'direct-response')) return filters
  const settings: Node[] = document.kernelPath === undefined ? [] : [leaf(`answered in ${document.kernelPath}`)]
  const { requestTimeoutMs } = rule
  if (requestTimeoutMs !== undefined)
    settings.push(leaf(requestTimeoutMs > 0 ? `timeout ${requestTimeoutMs / 1000}s` : 'no timeout'))
  if (rule.backendRequestTimeoutMs > 0)
    settings.push(leaf(`timeout of one try ${rule.backendRequestTimeoutMs / 1000}s`))
  if (rule.retry !== undefined) settings.push(leaf(describeRetry(rule.retry)))
  if (rule.session !== undefined) settings.push(leaf(`session by ${rule.session.kind} ${rule.session.name}`))
  return [...filters, ...settings, ...backendNodes(document, paint)]
}

function pluginNodes({ plugins }: ExplainDocument, paint: Paint): Node[] {
  return plugins.map(plugin => {
    const text = withoutControls(describePlugin(plugin))
    return leaf(plugin.problem === null ? text : paint.bad(text))
  })
}

function backendNodes({ backends, stream }: ExplainDocument, paint: Paint): Node[] {
  const answer = (status: number): string => paint.bad(stream === null ? `answer ${status}` : 'refused')
  if (backends.length === 0) return [leaf(`${answer(500)}: the rule has no backend`)]
  const total = backends.reduce((sum, { weight }) => sum + weight, 0)
  return backends.map(({ key, weight, invalid, policy, reached, endpoints }): Node => {
    const share = total === 0 ? 'no share' : `${Math.round((weight / total) * 1000) / 10}%`
    if (invalid !== null) return leaf(`backend ${paint.bad(key)} ${share}: ${withoutControls(invalid)}`)
    const shown = endpoints.slice(0, shownMismatches).map(({ id, healthy, draining }) => {
      const state = draining ? paint.warn('draining') : healthy ? paint.good('healthy') : paint.bad('unhealthy')
      return leaf(`endpoint ${id} ${state}`)
    })
    const hidden = endpoints.length - shown.length
    return {
      text: `backend ${paint.name(key)} ${share}, ${[policy, ...reached].join(', ')}`,
      children: [
        ...shown,
        ...(hidden > 0 ? [leaf(paint.dim(`… ${hidden} more endpoints`))] : []),
        ...(endpoints.length === 0 ? [leaf(`${answer(503)}: it has no endpoint`)] : []),
      ],
    }
  })
}

function describeMismatch({ part, name, kind, expected, actual }: Mismatch): string {
  const what = name === '' ? part : `${part} ${name}`
  const wanted =
    kind === 'regex' ? `must match ${expected}` : kind === 'prefix' ? `is not below ${expected}` : `is not ${expected}`
  return withoutControls(actual === undefined ? `${what} is missing` : `${what} ${wanted}`)
}

function leaf(text: string): Node {
  return { text, children: [] }
}

function renderTree(root: Node): string {
  const lines = [root.text]
  const walk = (nodes: readonly Node[], indent: string): void => {
    nodes.forEach((node, at) => {
      const isLast = at === nodes.length - 1
      lines.push(`${indent}${isLast ? '└─ ' : '├─ '}${node.text}`)
      walk(node.children, `${indent}${isLast ? '   ' : '│  '}`)
    })
  }
  walk(root.children, '')
  return lines.join('\n')
}
