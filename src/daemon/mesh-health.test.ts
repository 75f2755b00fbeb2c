import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBackendSettings, emptySnapshot } from '../model/index.ts'
import type { Backend, HealthCheck, MeshSnapshot, Workload } from '../model/index.ts'
import { MeshHealth } from './mesh-health.ts'
import type { Checker } from './mesh-health.ts'
import type { ProgramState } from './programs/program.ts'

const check: HealthCheck = { kind: 'TCP', intervalMs: 1, timeoutMs: 1, healthyThreshold: 1, unhealthyThreshold: 1 }

class FakeChecker implements Checker {
  readonly answers = new Map<string, boolean>()
  backends: Backend[] = []
  update(backends: Iterable<Backend>): void {
    this.backends = [...backends]
  }
  isHealthy(backend: string, endpoint: string): boolean | undefined {
    return this.answers.get(`${backend} ${endpoint}`)
  }
  status(backend: string): ReadonlyMap<string, { readonly lastCheckMs: number | undefined }> {
    const endpoints = this.backends.find(({ key }) => key === backend)?.endpoints ?? []
    return new Map(
      endpoints.map(({ id }) => [id, { lastCheckMs: this.answers.has(`${backend} ${id}`) ? 1 : undefined }]),
    )
  }
}

function snapshotWith(healthCheck: HealthCheck | undefined): MeshSnapshot {
  const backend: Backend = {
    key: 'shop/a:80',
    namespace: 'shop',
    service: 'a',
    port: 80,
    portName: '',
    protocol: 'http1',
    tls: undefined,
    endpoints: [
      {
        id: '127.0.0.1:9001',
        address: '127.0.0.1',
        port: 9001,
        weight: 1,
        zone: '',
        workload: 'a-1',
        healthy: true,
        draining: false,
      },
    ],
    settings: { ...defaultBackendSettings, healthCheck },
  }
  return { ...emptySnapshot, backends: new Map([[backend.key, backend]]) }
}

function workloadWith(healthCheck: HealthCheck | undefined): Workload {
  return {
    key: 'shop/a-1',
    namespace: 'shop',
    name: 'a-1',
    labels: {},
    service: 'a',
    address: '127.0.0.1',
    port: 9001,
    process: undefined,
    healthCheck,
  }
}

const cases: readonly {
  name: string
  backend: boolean | undefined
  workload: boolean | undefined
  healthy: boolean
}[] = [
  { name: 'no check and no answer yet', backend: undefined, workload: undefined, healthy: true },
  { name: 'a good backend check', backend: true, workload: undefined, healthy: true },
  { name: 'a bad backend check', backend: false, workload: undefined, healthy: false },
  { name: 'a good workload check', backend: undefined, workload: true, healthy: true },
  { name: 'a bad workload check', backend: undefined, workload: false, healthy: false },
  { name: 'only the backend check good', backend: true, workload: false, healthy: false },
  { name: 'only the workload check good', backend: false, workload: true, healthy: false },
  { name: 'both good', backend: true, workload: true, healthy: true },
]

for (const { name, backend, workload, healthy } of cases) {
  test(`MeshHealth calls an endpoint with ${name} ${healthy ? 'healthy' : 'unhealthy'}`, () => {
    const checker = new FakeChecker()
    if (backend !== undefined) checker.answers.set('shop/a:80 127.0.0.1:9001', backend)
    if (workload !== undefined) checker.answers.set('Workload shop/a-1 127.0.0.1:9001', workload)
    const health = new MeshHealth(checker, () => 'running')
    const snapshot = snapshotWith(backend === undefined ? undefined : check)
    health.update(snapshot, [workloadWith(workload === undefined ? undefined : check)])
    assert.equal(health.apply(snapshot).backends.get('shop/a:80')?.endpoints[0]?.healthy, healthy)
  })
}

test('MeshHealth hands the checker the same backend for an unchanged Workload', () => {
  const checker = new FakeChecker()
  const health = new MeshHealth(checker, () => 'running')
  const workload = workloadWith(check)
  health.update(emptySnapshot, [workload])
  const [first] = checker.backends
  health.update(emptySnapshot, [workload])
  assert.equal(first?.key, 'Workload shop/a-1')
  assert.equal(checker.backends[0], first)
})

test('MeshHealth counts the endpoints that wait for their first answer', () => {
  const checker = new FakeChecker()
  const health = new MeshHealth(checker, () => 'running')
  health.update(snapshotWith(check), [workloadWith(check)])
  assert.equal(health.pending, 2)
  checker.answers.set('shop/a:80 127.0.0.1:9001', false)
  assert.equal(health.pending, 1)
  health.update(snapshotWith(undefined), [])
  assert.equal(health.pending, 0)
})

test('MeshHealth asks a Workload without a check whether its port is open, often until it is', () => {
  const checker = new FakeChecker()
  const health = new MeshHealth(checker, () => 'running')
  const interval = () => {
    const healthCheck = checker.backends[0]?.settings.healthCheck
    return [healthCheck?.kind, healthCheck?.intervalMs]
  }
  const snapshot = snapshotWith(undefined)
  health.update(snapshot, [workloadWith(undefined)])
  assert.deepEqual(interval(), ['TCP', 200])
  checker.answers.set('Workload shop/a-1 127.0.0.1:9001', true)
  health.settle()
  assert.deepEqual(interval(), ['TCP', 5_000])
  checker.answers.set('Workload shop/a-1 127.0.0.1:9001', false)
  health.settle()
  assert.deepEqual(interval(), ['TCP', 200])
  assert.equal(health.apply(snapshot).backends.get('shop/a:80')?.endpoints[0]?.healthy, false)
})

test('MeshHealth leaves the check of a Workload that has one alone', () => {
  const checker = new FakeChecker()
  const health = new MeshHealth(checker, () => 'running')
  health.update(emptySnapshot, [workloadWith(check)])
  const [before] = checker.backends
  checker.answers.set('Workload shop/a-1 127.0.0.1:9001', true)
  health.settle()
  assert.equal(checker.backends[0], before)
  assert.equal(before?.settings.healthCheck, check)
})

test('MeshHealth asks nobody on behalf of a program that does not run', () => {
  const checker = new FakeChecker()
  let state: ProgramState = 'not started'
  const health = new MeshHealth(checker, () => state)
  const snapshot = snapshotWith(undefined)
  const command = { command: ['x'], env: {}, workingDirectory: '/', restartBackoffMs: 1 }
  // Whoever listens there says yes.
  checker.answers.set('Workload shop/a-1 127.0.0.1:9001', true)
  health.update(snapshot, [{ ...workloadWith(undefined), process: command }])
  const seen = () => [
    checker.backends.length,
    health.pending,
    health.apply(snapshot).backends.get('shop/a:80')?.endpoints[0]?.healthy,
  ]
  assert.deepEqual(seen(), [0, 1, false])
  state = 'running'
  health.settle()
  assert.deepEqual(seen(), [1, 0, true])
  state = 'ended'
  health.settle()
  assert.deepEqual(seen(), [0, 0, false])
})

test('MeshHealth asks nobody who is spoken to by UDP alone, and calls it healthy while its program runs', () => {
  const [backend] = snapshotWith(undefined).backends.values()
  assert.ok(backend !== undefined)
  const udp: Backend = { ...backend, key: 'shop/a:53/udp', protocol: 'udp' }
  const snapshot = { ...emptySnapshot, backends: new Map([[udp.key, udp]]) }
  const checker = new FakeChecker()
  let state: ProgramState = 'running'
  const health = new MeshHealth(checker, () => state)
  const process = { command: ['x'], env: {}, workingDirectory: '/', restartBackoffMs: 1 }
  health.update(snapshot, [{ ...workloadWith(undefined), process }])
  assert.deepEqual(checker.backends, [])
  assert.equal(health.pending, 0)
  const isHealthy = (): boolean | undefined => health.apply(snapshot).backends.get(udp.key)?.endpoints[0]?.healthy
  assert.equal(isHealthy(), true)
  state = 'not started'
  health.settle()
  assert.equal(isHealthy(), false)
  const both = { ...emptySnapshot, backends: new Map([udp, backend].map(each => [each.key, each])) }
  state = 'running'
  health.update(both, [{ ...workloadWith(undefined), process }])
  assert.equal(checker.backends.length, 1)
})
