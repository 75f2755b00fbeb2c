import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compileService } from '../../src/kernel-http/index.ts'
import type { KernelRule, KernelService, KernelTable } from '../../src/kernel-http/index.ts'
import { defaultBackendSettings } from '../../src/model/index.ts'
import type { Backend, Endpoint, HttpRoute, PathMatch, ValueMatch } from '../../src/model/index.ts'
import {
  hostId,
  seededRandom,
  sketchListener,
  sketchRequest,
  sketchRoute,
  sketchSnapshot,
} from '../../src/proxy/routing/fixtures.ts'
import { RouteTable } from '../../src/proxy/routing/index.ts'
import type { RouteRequest } from '../../src/proxy/routing/index.ts'

/** What programs do with a table, told without a kernel: bpf/kernel-http/route.h. */
function lookUp(service: KernelService, request: RouteRequest): KernelRule | undefined {
  const table: KernelTable = service.hosts?.get(request.host) ?? service
  const hasSlash = request.path.endsWith('/')
  const bare = hasSlash ? request.path.slice(0, -1) : request.path
  let found = table.paths.find(({ kind, value }) => kind === 'exact' && value === request.path)
  for (let prefix = bare; found === undefined; prefix = prefix.slice(0, prefix.lastIndexOf('/'))) {
    found = table.paths.find(({ kind, value }) => kind === 'prefix' && value === prefix)
    if (prefix === '') break
  }
  assert.ok((found?.rules.length ?? 0) <= 16)
  const parameters = request.query.split('&').map(parameter => ` ${parameter}`)
  const asked = table.paths.flatMap(({ rules }) => rules.flatMap(({ fields }) => fields.map(({ name }) => name)))
  const isOdd = asked.some(
    name => name.startsWith(' ') && parameters.filter(each => each.split('=')[0] === name).length > 1,
  )
  if (asked.some(name => name.startsWith(' ')) && (isOdd || /[%+]/.test(request.query))) return undefined
  return found?.rules.find(
    ({ method, fields, action }) =>
      (method === undefined || method === request.method) &&
      fields.every(({ name, value }) =>
        name.startsWith(' ') ? parameters.includes(`${name}=${value}`) : request.header(name) === value,
      ) &&
      (action.kind !== 'user-space-with-query' || request.query !== ''),
  )
}

interface Dice {
  pick<V>(values: readonly V[]): V
  some<V>(values: readonly V[], most: number): readonly V[]
}

function diceOf(random: () => number): Dice {
  const pick = <V>(values: readonly V[]): V => values[Math.floor(random() * values.length)] as V
  return { pick, some: (values, most) => values.filter(() => random() < 0.4).slice(0, most) }
}

const hostnames = ['a.test', 'b.test', '*.test', '*.a.test', 'x.a.test', '*.x.a.test', 'under_score.test']
const hosts = ['a.test', 'b.test', 'c.test', 'x.a.test', 'y.x.a.test', 'test', 'other', 'under_score.test']
const elements = ['a', 'b', 'cc', 'a1']

function randomPath(dice: Dice): PathMatch {
  const value = dice
    .some([...elements, ...elements], 3)
    .map(element => `/${element}`)
    .join('')
  const kind = dice.pick(['exact', 'exact', 'prefix', 'prefix', 'prefix', 'prefix', 'prefix', 'regex'] as const)
  if (kind === 'exact') return { kind, value: `${value}${dice.pick(['', '/'])}` || '/' }
  if (kind === 'prefix') return { kind, value }
  return { kind, value: dice.pick(['/a/.*', '/[ab]/cc', '/a/(b|cc)', '/cc/a1?', '/[ab]/b/.*', '/a/[^/]+/cc']) }
}

function randomValues(dice: Dice, names: readonly string[]): readonly ValueMatch[] {
  return dice
    .some(names, 2)
    .map(name =>
      dice.pick([0, 1, 2, 3, 4, 5]) === 0
        ? { kind: 'regex', name, value: '[12]' }
        : { kind: 'exact', name, value: dice.pick(['1', '2', '3', 'a b', '']) },
    )
}

function randomRoute(dice: Dice, name: string): HttpRoute {
  const route = sketchRoute({
    name,
    namespace: dice.pick(['shop', 'web']),
    createdMs: dice.pick([0, 0, 1000, 2000]),
    attachments: [
      {
        virtualHost: hostId,
        hostnames: dice.pick([true, true, false]) ? [] : dice.some(hostnames, 3),
        clientNamespace: undefined,
      },
    ],
    rules: Array.from({ length: dice.pick([1, 2, 3]) }, () =>
      Array.from({ length: dice.pick([1, 1, 2]) }, () => ({
        path: randomPath(dice),
        method: dice.pick([undefined, undefined, 'GET', 'POST', 'TRACE']),
        headers: dice.pick([true, false]) ? [] : randomValues(dice, ['x-a', 'x-b', 'x-c']),
        query: dice.pick([true, true, false]) ? [] : randomValues(dice, ['p', 'q']),
      })),
    ),
  })
  const backends = [{ weight: 1, target: { kind: 'backend' as const, key: 'shop/b:80' }, filters: [] }]
  const rules = route.rules.map(rule => ({
    ...rule,
    backends,
    backendRequestTimeoutMs: dice.pick([0, 0, 0, 5000]),
  }))
  return { ...route, rules }
}

function randomRequest(dice: Dice): RouteRequest {
  const path =
    dice
      .some([...elements, ...elements], 4)
      .map(element => `/${element}`)
      .join('') + dice.pick(['', '', '/'])
  const query = dice.some(['p=1', 'q=2', 'q=a+b', 'p=3', 'p=2', '%70=1', 'q'], dice.pick([0, 0, 2])).join('&')
  const fields: Record<string, string> = {}
  for (const name of dice.some(['x-a', 'x-b', 'x-c'], 3)) fields[name] = dice.pick(['1', '2', '3'])
  const question = query === '' ? '' : `?${query}`
  return sketchRequest(`${dice.pick(['GET', 'POST', 'PUT'])} ${dice.pick(hosts)}${path || '/'}${question}`, fields)
}

const endpoint: Endpoint = {
  id: '127.0.0.1:7000',
  address: '127.0.0.1',
  port: 7000,
  weight: 1,
  zone: '',
  workload: '',
  healthy: true,
  draining: false,
}
const backend: Backend = {
  key: 'shop/b:80',
  namespace: 'shop',
  service: 'b',
  port: 80,
  portName: '',
  protocol: 'http1',
  tls: undefined,
  endpoints: [endpoint],
  settings: defaultBackendSettings,
}

describe('compileService()', () => {
  for (const [seed, size] of [
    [1, 3],
    [2, 8],
    [3, 20],
    [4, 40],
    [5, 120],
    [6, 300],
  ] as const) {
    it(`gives the kernel no request that the proxy would route otherwise: ${size} routes (seed ${seed})`, () => {
      const dice = diceOf(seededRandom(seed))
      const listener = sketchListener()
      const routes = Array.from({ length: size }, (_, at) => randomRoute(dice, `r${at}`))
      const snapshot = { ...sketchSnapshot(routes, [listener]), backends: new Map([[backend.key, backend]]) }
      const numbers = new Map<string, number>()
      const textOf = (route: HttpRoute, rule: number): string => `${route.key}#${rule}`
      const { table, reason } = compileService({
        snapshot,
        listener,
        isReached: () => true,
        poolOf: () => 1,
        countOf: (route, rule) => {
          const number = numbers.size + 1
          numbers.set(textOf(route, rule), number)
          return number
        },
      })
      assert.equal(reason, undefined)
      assert.ok(table !== undefined)
      const proxy = (RouteTable.empty as RouteTable<string>).update(snapshot, (route, rule) =>
        textOf(route, rule.index),
      )
      let inKernel = 0
      for (let at = 0; at < 4000; at++) {
        const request = randomRequest(dice)
        const rule = lookUp(table, request)
        if (rule?.action.kind !== 'pools') continue
        inKernel++
        const decision = proxy.virtualHost(listener.id, request.host)?.match(request, undefined)
        const asked = `${request.method} ${request.host}${request.path}?${request.query}`
        assert.equal(rule.action.targets[0]?.count, numbers.get(decision?.target ?? ''), asked)
      }
      assert.ok(inKernel > 0, 'none is in the kernel')
    })
  }
})
