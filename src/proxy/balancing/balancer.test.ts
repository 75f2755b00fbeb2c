import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBackendSettings, Outcome } from '../../model/index.ts'
import type { Backend, BackendSettings, Endpoint, LoadBalancing } from '../../model/index.ts'
import { Balancer } from './balancer.ts'
import type { BalancerOptions, OutlierRule, PickContext } from './balancer.ts'
import type { EndpointState } from './endpoint-state.ts'
import { mix32 } from './hash.ts'

const algorithms: readonly LoadBalancing[] = [
  { kind: 'RoundRobin' },
  { kind: 'LeastRequest' },
  { kind: 'PeakEwma' },
  { kind: 'Random' },
  { kind: 'RingHash', source: { kind: 'source' }, minRingSize: 256 },
  { kind: 'Maglev', source: { kind: 'source' }, tableSize: 251 },
]
const drawing: readonly LoadBalancing[] = algorithms.slice(0, 4)

function makeEndpoint(index: number, changes: Partial<Endpoint> = {}): Endpoint {
  const address = `10.0.${index >> 8}.${index & 255}`
  const id = `${address}:80`
  return { id, address, port: 80, weight: 1, zone: '', workload: '', healthy: true, draining: false, ...changes }
}

function makeEndpoints(count: number, changes: (index: number) => Partial<Endpoint> = () => ({})): Endpoint[] {
  return Array.from({ length: count }, (_, index) => makeEndpoint(index, changes(index)))
}

function makeBackend(endpoints: readonly Endpoint[], settings: Partial<BackendSettings> = {}): Backend {
  return {
    key: 'shop/reviews:80',
    namespace: 'shop',
    service: 'reviews',
    port: 80,
    portName: '',
    protocol: 'http1',
    tls: undefined,
    endpoints,
    settings: { ...defaultBackendSettings, ...settings },
  }
}

function makeBalancer(backend: Backend, options: Partial<BalancerOptions> = {}): Balancer {
  return new Balancer(backend, { zone: '', nowMs: 0, outlier: undefined, ...options })
}

/** Seeded, so that the bounds below either always hold or never. */
function makeContext(seed = 1): PickContext {
  let counter = seed * 1_000_003
  return {
    nowMs: 0,
    hash: -1,
    tried: undefined,
    random: () => mix32(counter++) / 2 ** 32,
  }
}

function countPicks(balancer: Balancer, picks: number, context: PickContext): Map<string, number> {
  const counts = new Map<string, number>()
  for (let i = 0; i < picks; i++) {
    if (context.hash >= 0) context.hash = mix32(i)
    const id = balancer.pick(context)?.id ?? 'none'
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  return counts
}

function sum(counts: ReadonlyMap<string, number>, endpoints: readonly Endpoint[]): number {
  return endpoints.reduce((total, endpoint) => total + (counts.get(endpoint.id) ?? 0), 0)
}

/** A rule that ejects at the first failure. */
function ejectFor(lengthMs: number): OutlierRule {
  return (state, outcome, _settings, _scope, nowMs) => {
    if (outcome === Outcome.success) return undefined
    state.ejectedUntilMs = nowMs + lengthMs
    return 'test'
  }
}

const ejectAtOnce: OutlierRule = ejectFor(1_000)

for (const loadBalancing of algorithms) {
  const { kind } = loadBalancing
  // Consistent hashing is asked with a hash, everything else without.
  const hash = kind === 'RingHash' || kind === 'Maglev' ? 0 : -1

  test(`${kind}: pick() has nothing to give without endpoints`, () => {
    const balancer = makeBalancer(makeBackend([], { loadBalancing }))
    assert.equal(balancer.pick({ ...makeContext(), hash }), undefined)
  })

  test(`${kind}: pick() skips draining, unhealthy and ejected endpoints`, () => {
    const endpoints = makeEndpoints(6, index => ({ draining: index === 0, healthy: index !== 1 }))
    const backend = makeBackend(endpoints, { loadBalancing })
    const balancer = makeBalancer(backend, { outlier: ejectAtOnce })
    const ejected = balancer.states[2]
    assert.ok(ejected !== undefined)
    balancer.onResult(ejected, Outcome.failure5xx, 1, 0)
    const counts = countPicks(balancer, 600, { ...makeContext(), hash })
    assert.deepEqual([...counts.keys()].toSorted(), ['10.0.0.3:80', '10.0.0.4:80', '10.0.0.5:80'])
  })

  test(`${kind}: pick() sends to all but draining endpoints in panic`, () => {
    const endpoints = makeEndpoints(6, index => ({ healthy: index === 0, draining: index === 5 }))
    const balancer = makeBalancer(makeBackend(endpoints, { loadBalancing }))
    assert.ok(balancer.isPanic)
    const counts = countPicks(balancer, 900, { ...makeContext(), hash })
    assert.deepEqual(
      [...counts.keys()].toSorted(),
      endpoints.slice(0, 5).map(endpoint => endpoint.id),
    )
  })

  test(`${kind}: pick() never sends to unhealthy endpoints with panic off`, () => {
    const endpoints = makeEndpoints(6, index => ({ healthy: index === 0 }))
    const settings = { loadBalancing, panicThresholdPercent: 0 }
    const balancer = makeBalancer(makeBackend(endpoints, settings))
    assert.deepEqual([...countPicks(balancer, 50, { ...makeContext(), hash }).keys()], ['10.0.0.0:80'])
    balancer.update(
      makeBackend(
        makeEndpoints(6, () => ({ healthy: false })),
        settings,
      ),
      0,
    )
    assert.equal(balancer.pick({ ...makeContext(), hash }), undefined)
  })

  test(`${kind}: pick() sends to ejected endpoints when panic is off and no other is left`, () => {
    const endpoints = makeEndpoints(3, index => ({ healthy: index !== 2 }))
    const backend = makeBackend(endpoints, { loadBalancing, panicThresholdPercent: 0 })
    const balancer = makeBalancer(backend, { outlier: ejectAtOnce })
    for (const state of balancer.states) balancer.onResult(state, Outcome.reset, 1, 0)
    const counts = countPicks(balancer, 100, { ...makeContext(), hash })
    assert.deepEqual([...counts.keys()].toSorted(), ['10.0.0.0:80', '10.0.0.1:80'])
  })

  test(`${kind}: pick() avoids tried endpoints while others remain, in other zones too`, () => {
    const endpoints = makeEndpoints(5, index => ({ zone: index < 2 ? 'a' : 'b' }))
    const backend = makeBackend(endpoints, { loadBalancing, preferLocalZone: true })
    const balancer = makeBalancer(backend, { zone: 'a' })
    for (let round = 0; round < 50; round++) {
      const context = { ...makeContext(round), hash: hash < 0 ? -1 : mix32(round) }
      const tried: EndpointState[] = []
      for (let tries = 0; tries < 5; tries++) {
        const state = balancer.pick({ ...context, tried: tries === 0 ? undefined : tried })
        assert.ok(state !== undefined && !tried.includes(state))
        tried.push(state)
      }
      assert.ok(balancer.pick({ ...context, tried }) !== undefined)
    }
  })

  test(`${kind}: pick() sends to an ejected endpoint again when its time is over`, () => {
    const balancer = makeBalancer(makeBackend(makeEndpoints(4), { loadBalancing }), { outlier: ejectFor(20_000) })
    const [state] = balancer.states
    assert.ok(state !== undefined)
    balancer.onResult(state, Outcome.timeout, 1, 0)
    const context = { ...makeContext(), hash }
    assert.equal(countPicks(balancer, 400, { ...context, nowMs: 19_999 }).get(state.id), undefined)
    assert.equal(balancer.isUsable(state, 19_999), false)
    assert.ok((countPicks(balancer, 400, { ...context, nowMs: 20_000 }).get(state.id) ?? 0) > 0)
    assert.equal(state.ejectedUntilMs, 0)
  })

  test(`${kind}: any sequence of updates keeps state by id and picks only members that may be used`, () => {
    checkRandomUpdates(loadBalancing, hash)
  })
}

function checkRandomUpdates(loadBalancing: LoadBalancing, hash: number): void {
  const source = makeContext(7)
  const dice = (sides: number): number => Math.floor(source.random() * sides)
  const settings = { loadBalancing, slowStartMs: 500, preferLocalZone: true }
  const balancer = makeBalancer(makeBackend([], settings), { zone: 'z0', outlier: ejectAtOnce })
  let known = new Map<string, EndpointState>()
  for (let round = 0, nowMs = 0; round < 120; round++, nowMs += dice(700)) {
    const endpoints = makeEndpoints(12, () => ({
      weight: 1 + dice(3),
      zone: `z${dice(2)}`,
      healthy: dice(4) > 0,
      draining: dice(6) === 0,
    })).filter(() => dice(3) > 0)
    const gone = balancer.update(makeBackend(endpoints, settings), nowMs)

    const present = new Map(balancer.states.map(state => [state.id, state]))
    assert.deepEqual(
      [...present.keys()],
      endpoints.map(endpoint => endpoint.id),
    )
    assert.deepEqual(new Set(gone), new Set([...known.values()].filter(state => !present.has(state.id))))
    for (const [id, state] of known) {
      if (present.has(id)) assert.equal(present.get(id), state)
      else assert.equal(balancer.isUsable(state, nowMs), false)
    }
    known = present
    checkPicks(balancer, { ...source, nowMs, hash }, dice)
  }
}

function checkPicks(balancer: Balancer, context: PickContext, dice: (sides: number) => number): void {
  for (let picks = 0; picks < 8; picks++) {
    const state = balancer.pick({ ...context, hash: context.hash < 0 ? -1 : mix32(picks) })
    const counts = balancer.counts(context.nowMs)
    assert.equal(counts.healthy + counts.unhealthy + counts.ejected + counts.draining, balancer.states.length)
    if (state === undefined) {
      assert.equal(counts.healthy + counts.unhealthy + counts.ejected, 0)
      continue
    }
    assert.equal(balancer.find(state.id), state)
    assert.ok(!state.endpoint.draining)
    assert.ok(balancer.isUsable(state, context.nowMs))
    if (!balancer.isPanic) assert.ok(state.endpoint.healthy && state.ejectedUntilMs <= context.nowMs)
    balancer.onResult(state, dice(10) === 0 ? Outcome.reset : Outcome.success, dice(50), context.nowMs)
  }
}

for (const loadBalancing of drawing) {
  test(`${loadBalancing.kind}: an idle backend is shared by weight`, () => {
    const endpoints = makeEndpoints(4, index => ({ weight: index === 0 ? 5 : 1 }))
    const counts = countPicks(makeBalancer(makeBackend(endpoints, { loadBalancing })), 8_000, makeContext())
    const heavy = counts.get('10.0.0.0:80') ?? 0
    assert.ok(Math.abs(heavy - 5_000) < 200, String(heavy))
    for (const endpoint of endpoints.slice(1)) {
      assert.ok(Math.abs((counts.get(endpoint.id) ?? 0) - 1_000) < 150)
    }
  })

  test(`${loadBalancing.kind}: a newcomer's share grows over the slow start`, () => {
    const settings = { loadBalancing, slowStartMs: 10_000 }
    const balancer = makeBalancer(makeBackend(makeEndpoints(4), settings))
    balancer.update(makeBackend(makeEndpoints(5), settings), 1_000)
    const shares = [1_000, 6_000, 11_000].map(nowMs => {
      return (countPicks(balancer, 10_000, { ...makeContext(), nowMs }).get('10.0.0.4:80') ?? 0) / 10_000
    })
    for (const [index, expected] of [0.1 / 4.1, 0.5 / 4.5, 1 / 5].entries()) {
      assert.ok(Math.abs((shares[index] ?? 0) - expected) < 0.015, `${index}: ${shares[index]}`)
    }
  })

  test(`${loadBalancing.kind}: the own zone gets all while it can carry it, then as much as it can`, () => {
    const settings = { loadBalancing, preferLocalZone: true, panicThresholdPercent: 0 }
    for (const [healthyNear, expected] of [
      [7, 1],
      [5, 1],
      [4, 0.8],
      [1, 0.2],
      [0, 0],
    ] as const) {
      const endpoints = makeEndpoints(14, index => ({
        zone: index < 7 ? 'a' : 'b',
        healthy: index >= 7 || index < healthyNear,
      }))
      const balancer = makeBalancer(makeBackend(endpoints, settings), { zone: 'a' })
      const near = sum(countPicks(balancer, 5_000, makeContext()), endpoints.slice(0, 7)) / 5_000
      assert.ok(Math.abs(near - expected) < 0.02, `${healthyNear} of 7: ${near}`)
    }
  })

  test(`${loadBalancing.kind}: zones count for nothing in panic, without a zone or when not preferred`, () => {
    const both = makeEndpoints(8, index => ({ zone: index < 4 ? 'a' : 'b', healthy: index === 0 }))
    const healthy = both.map(endpoint => ({ ...endpoint, healthy: true }))
    const cases = [
      { endpoints: both, preferLocalZone: true, zone: 'a' },
      { endpoints: healthy, preferLocalZone: true, zone: '' },
      { endpoints: healthy, preferLocalZone: false, zone: 'a' },
    ]
    for (const { endpoints, preferLocalZone, zone } of cases) {
      const balancer = makeBalancer(makeBackend(endpoints, { loadBalancing, preferLocalZone }), { zone })
      const near = sum(countPicks(balancer, 4_000, makeContext()), endpoints.slice(0, 4))
      assert.ok(Math.abs(near - 2_000) < 150, String(near))
    }
  })
}

test('RoundRobin: equal endpoints take turns exactly', () => {
  const balancer = makeBalancer(makeBackend(makeEndpoints(7), { loadBalancing: { kind: 'RoundRobin' } }))
  const counts = countPicks(balancer, 700, makeContext())
  assert.deepEqual(new Set(counts.values()), new Set([100]))
})

test('RoundRobin: weights are met exactly in every cycle', () => {
  const weights = [5, 3, 1, 1]
  const endpoints = makeEndpoints(4, index => ({ weight: weights[index] ?? 1 }))
  const balancer = makeBalancer(makeBackend(endpoints, { loadBalancing: { kind: 'RoundRobin' } }))
  const context = makeContext()
  for (let cycle = 1; cycle <= 5; cycle++) {
    const counts = countPicks(balancer, 10, context)
    assert.deepEqual(
      endpoints.map(endpoint => counts.get(endpoint.id)),
      weights,
    )
  }
})

test('RoundRobin: goes on where it was when something else changes', () => {
  for (const weight of [1, 2]) {
    const loadBalancing: LoadBalancing = { kind: 'RoundRobin' }
    const endpoints = makeEndpoints(10, index => ({ weight: index === 0 ? weight : 1 }))
    const balancer = makeBalancer(makeBackend(endpoints, { loadBalancing }))
    const context = makeContext()
    const counts = new Map<string, number>()
    for (let round = 0; round < 440; round++) {
      const id = balancer.pick(context)?.id ?? ''
      counts.set(id, (counts.get(id) ?? 0) + 1)
      // A change after every pick must not favour the first in the list.
      balancer.update(makeBackend(endpoints, { loadBalancing, idleTimeoutMs: round }), 0)
    }
    for (const endpoint of endpoints) {
      const share = (440 * endpoint.weight) / (9 + weight)
      assert.ok(Math.abs((counts.get(endpoint.id) ?? 0) - share) <= 2, `${endpoint.id}: ${counts.get(endpoint.id)}`)
    }
  }
})

test('RoundRobin: workers begin at different places', () => {
  const backend = makeBackend(makeEndpoints(20), { loadBalancing: { kind: 'RoundRobin' } })
  const firsts = [1, 2, 3, 4].map(seed => makeBalancer(backend).pick(makeContext(seed))?.id)
  assert.ok(new Set(firsts).size > 1)
})

test('LeastRequest: keeps the number of requests under way far more even than chance does', () => {
  const worst = (['LeastRequest', 'Random'] as const).map(kind => {
    const balancer = makeBalancer(makeBackend(makeEndpoints(100), { loadBalancing: { kind } }))
    const context = makeContext()
    for (let i = 0; i < 1_000; i++) {
      const state = balancer.pick(context)
      if (state !== undefined) state.activeRequests++
    }
    return Math.max(...balancer.states.map(state => state.activeRequests))
  })
  assert.ok((worst[0] ?? 99) <= 13 && (worst[1] ?? 0) >= 17, worst.join())
})

test('LeastRequest: requests under way settle by weight', () => {
  const endpoints = makeEndpoints(10, index => ({ weight: index < 5 ? 3 : 1 }))
  const balancer = makeBalancer(makeBackend(endpoints, { loadBalancing: { kind: 'LeastRequest' } }))
  const context = makeContext()
  for (let i = 0; i < 2_000; i++) {
    const state = balancer.pick(context)
    if (state !== undefined) state.activeRequests++
  }
  for (const state of balancer.states) {
    assert.ok(Math.abs(state.activeRequests - 100 * state.endpoint.weight) < 12, `${state.activeRequests}`)
  }
})

test('PeakEwma: a slow endpoint gets a small share, a failing one too', () => {
  for (const outcome of [Outcome.success, Outcome.failure5xx]) {
    const balancer = makeBalancer(makeBackend(makeEndpoints(5), { loadBalancing: { kind: 'PeakEwma' } }))
    const context = makeContext()
    let bad = 0
    for (let i = 0; i < 2_000; i++) {
      context.nowMs = i
      const state = balancer.pick(context)
      if (state === undefined) continue
      const isBad = state.id === '10.0.0.2:80'
      if (isBad) bad++
      const latencyMs = isBad && outcome === Outcome.success ? 200 : 5
      balancer.onResult(state, isBad ? outcome : Outcome.success, latencyMs, i)
    }
    assert.ok(bad < 100, `outcome ${outcome}: ${bad} of 2000`)
  }
})

for (const loadBalancing of algorithms.slice(4)) {
  test(`${loadBalancing.kind}: the same hash goes to the same endpoint, in every order of the list`, () => {
    const endpoints = makeEndpoints(9)
    const one = makeBalancer(makeBackend(endpoints, { loadBalancing }))
    const other = makeBalancer(makeBackend(endpoints.toReversed(), { loadBalancing }))
    for (let i = 0; i < 200; i++) {
      const context = { ...makeContext(i), hash: mix32(i) }
      assert.equal(one.pick(context)?.id, other.pick(context)?.id)
    }
  })

  test(`${loadBalancing.kind}: an unhealthy endpoint's keys move and come back, all others stay`, () => {
    const endpoints = makeEndpoints(9)
    const sick = endpoints.map((endpoint, index) => (index === 4 ? { ...endpoint, healthy: false } : endpoint))
    const balancer = makeBalancer(makeBackend(endpoints, { loadBalancing }))
    const pickAll = (): (string | undefined)[] =>
      Array.from({ length: 2_000 }, (_, index) => balancer.pick({ ...makeContext(), hash: mix32(index) })?.id)
    const before = pickAll()
    balancer.update(makeBackend(sick, { loadBalancing }), 0)
    const during = pickAll()
    const heirs = new Set<string | undefined>()
    for (const [index, id] of before.entries()) {
      if (id === '10.0.0.4:80') heirs.add(during[index])
      else assert.equal(during[index], id)
    }
    assert.ok(!heirs.has('10.0.0.4:80') && heirs.size >= 4, 'the keys spread over several others')
    balancer.update(makeBackend(endpoints, { loadBalancing }), 0)
    assert.deepEqual(pickAll(), before)
  })

  test(`${loadBalancing.kind}: a request without a hash is spread at random`, () => {
    const balancer = makeBalancer(makeBackend(makeEndpoints(4), { loadBalancing }))
    const counts = countPicks(balancer, 4_000, makeContext())
    for (const count of counts.values()) assert.ok(Math.abs(count - 1_000) < 120)
  })
}

test('update() starts the ramp of an endpoint that became healthy and ends its ejection', () => {
  const sick = makeEndpoints(4, index => ({ healthy: index !== 0 }))
  const balancer = makeBalancer(makeBackend(makeEndpoints(4)), { outlier: ejectAtOnce })
  const state = balancer.find('10.0.0.0:80')
  assert.ok(state !== undefined)
  balancer.onResult(state, Outcome.reset, 1, 100)
  assert.equal(state.ejectedUntilMs, 1_100)
  balancer.update(makeBackend(sick), 200)
  balancer.update(makeBackend(makeEndpoints(4)), 300)
  assert.equal(state.ejectedUntilMs, 0)
  assert.equal(state.recoveredMs, 300)
  assert.ok(balancer.isUsable(state, 300))
})

test('update() follows a change of the algorithm', () => {
  const endpoints = makeEndpoints(5)
  const balancer = makeBalancer(makeBackend(endpoints, { loadBalancing: { kind: 'Random' } }))
  const context = { ...makeContext(), hash: 12345 }
  for (const loadBalancing of [...algorithms, ...algorithms.toReversed()]) {
    balancer.update(makeBackend(endpoints, { loadBalancing }), 0)
    const isSticky = loadBalancing.kind === 'RingHash' || loadBalancing.kind === 'Maglev'
    const seen = new Set(Array.from({ length: 60 }, () => balancer.pick(context)?.id))
    assert.equal(seen.size === 1, isSticky, loadBalancing.kind)
  }
})

test('update() counts an id given twice once', () => {
  const balancer = makeBalancer(makeBackend([makeEndpoint(0), makeEndpoint(0), makeEndpoint(1)]))
  assert.equal(balancer.states.length, 2)
})

test('onResult() reports an ejection once, with the endpoint and the reason, and hands the scope over', () => {
  const ejections: string[] = []
  const scopes: string[] = []
  const balancer = makeBalancer(makeBackend(makeEndpoints(5, index => ({ draining: index === 4 }))), {
    outlier(state, outcome, settings, scope, nowMs) {
      scopes.push(`${scope.ejected}/${scope.endpoints}`)
      return ejectAtOnce(state, outcome, settings, scope, nowMs)
    },
    onEject: (endpoint, reason) => ejections.push(`${endpoint.id} ${reason}`),
  })
  const [first, second] = balancer.states
  assert.ok(first !== undefined && second !== undefined)
  balancer.onResult(first, Outcome.success, 1, 0)
  balancer.onResult(first, Outcome.connectFailure, 1, 0)
  balancer.onResult(second, Outcome.success, 1, 500)
  balancer.onResult(second, Outcome.success, 1, 1_000)
  assert.deepEqual(ejections, ['10.0.0.0:80 test'])
  assert.deepEqual(scopes, ['0/4', '0/4', '1/4', '0/4'])
})

test('onResult() ignores endpoints that left the backend', () => {
  const balancer = makeBalancer(makeBackend(makeEndpoints(2)), { outlier: ejectAtOnce })
  const [gone] = balancer.update(makeBackend(makeEndpoints(1)), 0)
  assert.ok(gone !== undefined)
  balancer.onResult(gone, Outcome.reset, 1, 0)
  assert.equal(gone.ejectedUntilMs, 0)
})

test('counts() counts each endpoint once', () => {
  const endpoints = makeEndpoints(6, index => ({ draining: index < 2, healthy: index !== 1 && index !== 2 }))
  const balancer = makeBalancer(makeBackend(endpoints), { outlier: ejectAtOnce })
  const state = balancer.states[3]
  assert.ok(state !== undefined)
  balancer.onResult(state, Outcome.reset, 1, 0)
  assert.deepEqual(balancer.counts(0), { healthy: 2, unhealthy: 1, ejected: 1, draining: 2 })
  assert.deepEqual(balancer.counts(1_000), { healthy: 3, unhealthy: 1, ejected: 0, draining: 2 })
})
