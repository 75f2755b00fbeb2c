import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HttpRoute, PathMatch, RouteMatch, ValueMatch } from '../../model/index.ts'
import { explainRoute } from './explain.ts'
import {
  hostId,
  listenerId,
  seededRandom,
  sketchListener,
  sketchRequest,
  sketchRoute,
  sketchSnapshot,
} from './fixtures.ts'
import type { RouteRequest } from './request.ts'
import { RouteTable } from './route-table.ts'

/**
 * The specification read aloud: collect every match of every route, sort all of
 * them by one order, take the first that fits. Shares no code with the table.
 */
interface Ranked {
  readonly id: string
  readonly route: HttpRoute
  readonly hostname: string | undefined
  readonly match: RouteMatch
  readonly rule: number
  readonly position: number
}

function referenceMatch(
  routes: readonly HttpRoute[],
  request: RouteRequest,
  client: string | undefined,
): string | undefined {
  const consumers = routes.filter(route =>
    route.attachments.some(at => at.clientNamespace !== undefined && at.clientNamespace === client),
  )
  const isConsumer = consumers.length > 0
  const all: Ranked[] = []
  for (const route of isConsumer ? consumers : routes) {
    for (const attachment of route.attachments) {
      if (attachment.clientNamespace !== (isConsumer ? client : undefined)) continue
      const hostnames: readonly (string | undefined)[] =
        attachment.hostnames.length === 0 ? [undefined] : attachment.hostnames
      for (const hostname of hostnames) {
        for (const rule of route.rules) {
          rule.matches.forEach((match, position) => {
            all.push({
              id: `${route.key}#${rule.index}.${position}`,
              route,
              hostname,
              match,
              rule: rule.index,
              position,
            })
          })
        }
      }
    }
  }
  return all.filter(entry => referenceFits(entry, request)).sort(referenceOrder)[0]?.id
}

function referenceFits({ hostname, match }: Ranked, request: RouteRequest): boolean {
  if (hostname !== undefined) {
    if (
      hostname.startsWith('*.')
        ? !request.host.endsWith(hostname.slice(1)) || request.host.length < hostname.length
        : hostname !== request.host
    )
      return false
  }
  const { path } = match
  const isOnPath =
    path.kind === 'exact'
      ? path.value === request.path
      : path.kind === 'prefix'
        ? `${request.path}/`.startsWith(`${path.value}/`)
        : new RegExp(`^(?:${path.value})$`).test(request.path)
  if (!isOnPath || (match.method !== undefined && match.method !== request.method)) return false
  const query = new URLSearchParams(request.query)
  const fits = ({ kind, value }: ValueMatch, actual: string | undefined | null): boolean =>
    typeof actual === 'string' && (kind === 'exact' ? actual === value : new RegExp(`^(?:${value})$`).test(actual))
  return (
    match.headers.every(test => fits(test, request.header(test.name))) &&
    match.query.every(test => fits(test, query.get(test.name)))
  )
}

function referenceOrder(a: Ranked, b: Ranked): number {
  const keys = (entry: Ranked): readonly (number | string)[] => [
    entry.hostname === undefined ? 2 : entry.hostname.startsWith('*') ? 1 : 0,
    -(entry.hostname?.length ?? 0),
    ['exact', 'regex', 'prefix'].indexOf(entry.match.path.kind),
    -entry.match.path.value.length,
    entry.match.method === undefined ? 1 : 0,
    -entry.match.headers.length,
    -entry.match.query.length,
    entry.route.createdMs,
    `${entry.route.namespace}/${entry.route.name}`,
    entry.rule,
    entry.position,
  ]
  const left = keys(a)
  const right = keys(b)
  for (let at = 0; at < left.length; at++) {
    const [x = 0, y = 0] = [left[at], right[at]]
    if (x !== y) return x < y ? -1 : 1
  }
  return 0
}

interface Dice {
  pick<V>(values: readonly V[]): V
  some<V>(values: readonly V[], most: number): readonly V[]
}

function diceOf(random: () => number): Dice {
  const pick = <V>(values: readonly V[]): V => values[Math.floor(random() * values.length)] as V
  return { pick, some: (values, most) => values.filter(() => random() < 0.4).slice(0, most) }
}

const hostnames = ['a.test', 'b.test', '*.test', '*.a.test', 'x.a.test', '*.x.a.test']
const hosts = ['a.test', 'b.test', 'c.test', 'x.a.test', 'y.x.a.test', 'test', 'other']
const elements = ['a', 'b', 'cc', 'a1']
const methods = [undefined, undefined, 'GET', 'POST', 'PUT']

function randomPath(dice: Dice): PathMatch {
  const value = dice
    .some([...elements, ...elements], 3)
    .map(element => `/${element}`)
    .join('')
  const kind = dice.pick(['exact', 'prefix', 'prefix', 'regex'] as const)
  if (kind === 'exact') return { kind, value: value === '' ? '/' : value }
  if (kind === 'prefix') return { kind, value }
  return {
    kind,
    value: dice.pick([
      '/a/.*',
      '/[ab]/cc',
      '/.*',
      '/a/(b|cc)',
      '/cc/a1?',
      '/a|/b/.*',
      '/b/?.*',
      '/[ab]/b/.*',
      '/a/[^/]+/cc',
    ]),
  }
}

function randomValues(dice: Dice, names: readonly string[]): readonly ValueMatch[] {
  return dice
    .some(names, 2)
    .map(name =>
      dice.pick([0, 1, 2, 3]) === 0
        ? { kind: 'regex', name, value: '[12]' }
        : { kind: 'exact', name, value: dice.pick(['1', '2', '3', 'a b']) },
    )
}

function randomRoute(dice: Dice, name: string): HttpRoute {
  const namespace = dice.pick(['shop', 'web'])
  return sketchRoute({
    name,
    namespace,
    createdMs: dice.pick([0, 0, 1000, 2000]),
    attachments: [
      {
        virtualHost: hostId,
        hostnames: dice.pick([true, false]) ? [] : dice.some(hostnames, 3),
        clientNamespace: dice.pick([undefined, undefined, undefined, 'web', 'far']),
      },
    ],
    rules: Array.from({ length: dice.pick([1, 2, 3]) }, () =>
      Array.from({ length: dice.pick([1, 1, 2]) }, () => ({
        path: randomPath(dice),
        method: dice.pick(methods),
        headers: randomValues(dice, ['x-a', 'x-b', 'x-c']),
        query: randomValues(dice, ['p', 'q']),
      })),
    ),
  })
}

function randomRequest(dice: Dice): RouteRequest {
  const path =
    dice
      .some([...elements, ...elements], 4)
      .map(element => `/${element}`)
      .join('') + dice.pick(['', '', '/'])
  const query = dice.some(['p=1', 'q=2', 'q=a+b', 'p=3', 'q=1', 'p=a%20b'], 3).join('&')
  const fields: Record<string, string> = {}
  for (const name of dice.some(['x-a', 'x-b', 'x-c'], 3)) fields[name] = dice.pick(['1', '2', '3'])
  return sketchRequest(`${dice.pick(['GET', 'POST', 'PUT'])} ${dice.pick(hosts)}${path || '/'}?${query}`, fields)
}

const targetOf = (route: HttpRoute, rule: { readonly index: number }): string => `${route.key}#${rule.index}`

function decide(table: RouteTable<string>, request: RouteRequest, client: string | undefined): string | undefined {
  const decision = table.virtualHost(listenerId, request.host)?.match(request, client)
  return decision && `${decision.target}.${decision.rule.matches.indexOf(decision.match)}`
}

const clients = [undefined, undefined, 'web', 'far', 'none']
const empty = RouteTable.empty as RouteTable<string>
const snapshotOf = (routes: readonly HttpRoute[]) => sketchSnapshot(routes, [listener])
const listener = sketchListener()

describe('random tables', () => {
  for (const [seed, size] of [
    [7, 8],
    [2, 12],
    [3, 40],
    [4, 40],
    [5, 120],
  ] as const) {
    it(`of ${size} routes answer as the sorted list of all matches does (seed ${seed})`, () => {
      const dice = diceOf(seededRandom(seed))
      const routes = Array.from({ length: size }, (_, at) => randomRoute(dice, `r${at}`))
      const table = empty.update(snapshotOf(routes), targetOf)
      let routed = 0
      for (let at = 0; at < 150; at++) {
        const request = randomRequest(dice)
        const client = dice.pick(clients)
        const expected = referenceMatch(routes, request, client)
        assert.equal(
          decide(table, request, client),
          expected,
          `${request.method} ${request.host}${request.path}?${request.query}`,
        )
        if (expected !== undefined) routed++
        const explained = explainRoute(table, listenerId, request, client)
        assert.ok(explained.kind === 'routed' || explained.kind === 'no-match')
        const chosen = explained.candidates.find(candidate => candidate.verdict === 'chosen')
        assert.equal(
          chosen && `${chosen.route.key}#${chosen.rule.index}.${chosen.rule.matches.indexOf(chosen.match)}`,
          expected,
        )
      }
      assert.ok(routed > 10, 'the requests fit the routes')
    })
  }

  it('that were updated step by step answer as tables built at once', () => {
    const dice = diceOf(seededRandom(6))
    let routes: readonly HttpRoute[] = []
    let table = empty
    for (let step = 0; step < 40; step++) {
      const kept = routes.filter(() => dice.pick([0, 1, 2, 3, 4, 5]) !== 0)
      const replaced = kept.map(route => (dice.pick([0, 1, 2, 3, 4]) === 0 ? randomRoute(dice, route.name) : route))
      const added = Array.from({ length: dice.pick([0, 1, 2, 4]) }, (_, at) => randomRoute(dice, `s${step}-${at}`))
      const before = table
      const beforeRoutes = routes
      routes = [...replaced, ...added]
      const snapshot = snapshotOf(routes)
      routes = [...snapshot.routes.values()]
      table = table.update(snapshot, targetOf)
      const whole = empty.update(snapshot, targetOf)
      for (let at = 0; at < 25; at++) {
        const request = randomRequest(dice)
        const client = dice.pick(clients)
        assert.equal(decide(table, request, client), decide(whole, request, client), `step ${step}`)
        assert.equal(
          decide(before, request, client),
          referenceMatch(beforeRoutes, request, client),
          `the table before step ${step}`,
        )
      }
    }
  })
})
