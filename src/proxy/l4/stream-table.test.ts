import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentMeter } from '../../core/index.ts'
import type { StreamRoute } from '../../model/index.ts'
import { CompiledStream } from './compiled-stream.ts'
import type { StreamContext } from './compiled-stream.ts'
import { StreamTable } from './stream-table.ts'

const context: StreamContext = {
  meter: silentMeter,
  backend: () => {
    throw new Error('no route here has a backend that can be used')
  },
}

function route(kind: StreamRoute['kind'], name: string, sketch: Partial<StreamRoute> & { host?: string }): StreamRoute {
  const { host = 'h', ...more } = sketch
  return {
    key: `${kind} test/${name}`,
    kind,
    namespace: 'test',
    name,
    createdMs: 0,
    attachments: [{ virtualHost: host, hostnames: [], clientNamespace: undefined }],
    ruleName: undefined,
    backends: [{ weight: 1, target: { kind: 'invalid', status: 500, reason: 'BackendNotFound', message: '' } }],
    ...more,
  }
}

const compile = (of: StreamRoute, virtualHost: string): CompiledStream => new CompiledStream(context, of, virtualHost)

function tableOf(...routes: readonly StreamRoute[]): StreamTable<CompiledStream> {
  return StreamTable.empty<CompiledStream>().update(new Map(routes.map(each => [each.key, each])), compile)
}

const on = (hostnames: readonly string[], clientNamespace?: string): StreamRoute['attachments'] => [
  { virtualHost: 'h', hostnames, clientNamespace },
]

test('find() takes the oldest route, then the first by name', () => {
  const table = tableOf(
    route('TCPRoute', 'young', { createdMs: 2 }),
    route('TCPRoute', 'b', { createdMs: 1 }),
    route('TCPRoute', 'a', { createdMs: 1 }),
  )
  assert.equal(table.find('h', '')?.routeName, 'TCPRoute test/a')
  assert.equal(table.find('elsewhere', ''), undefined)
})

test('find() decides for each server name by itself: exact, longest wildcard, any', () => {
  const table = tableOf(
    route('TLSRoute', 'exact', { createdMs: 3, attachments: on(['a.b.example']) }),
    route('TLSRoute', 'near', { createdMs: 2, attachments: on(['*.b.example', 'a.b.example']) }),
    route('TLSRoute', 'far', { createdMs: 1, attachments: on(['*.example']) }),
  )
  const rows = [
    ['a.b.example', 'near'],
    ['x.b.example', 'near'],
    ['y.x.b.example', 'near'],
    ['x.example', 'far'],
    ['example', undefined],
    ['', undefined],
  ] as const
  for (const [name, expected] of rows) {
    assert.equal(table.find('h', name)?.routeName, expected && `TLSRoute test/${expected}`, name)
  }
})

test('where there is a TLSRoute no other kind has a part, however old', () => {
  const table = tableOf(
    route('Service', 'own', { createdMs: 1 }),
    route('TCPRoute', 'tcp', { createdMs: 2 }),
    route('TLSRoute', 'tls', { createdMs: 3, attachments: on(['a.example']) }),
  )
  assert.equal(table.find('h', 'a.example')?.routeName, 'TLSRoute test/tls')
  assert.equal(table.find('h', 'b.example'), undefined)
  assert.equal(table.find('h', ''), undefined)
})

test('consumer routes are for their namespace alone, and for it instead of all others', () => {
  const table = tableOf(
    route('TCPRoute', 'common', { createdMs: 1 }),
    route('TCPRoute', 'consumer', { createdMs: 2, attachments: on([], 'web') }),
  )
  assert.equal(table.find('h', '')?.routeName, 'TCPRoute test/common')
  assert.equal(table.find('h', '', 'other')?.routeName, 'TCPRoute test/common')
  assert.equal(table.find('h', '', 'web')?.routeName, 'TCPRoute test/consumer')
  assert.equal(table.dependsOnClient('h'), true)
  assert.equal(tableOf(route('TCPRoute', 'common', {})).dependsOnClient('h'), false)
})

test('update() keeps what was compiled of a route that stays', () => {
  const [a, b] = [route('TCPRoute', 'a', {}), route('TCPRoute', 'b', { host: 'i' })]
  const before = tableOf(a, b)
  const after = before.update(
    new Map([
      [a.key, a],
      ['TCPRoute test/b', route('TCPRoute', 'b', { host: 'i' })],
    ]),
    compile,
  )
  assert.equal(after.find('h', ''), before.find('h', ''))
  assert.notEqual(after.find('i', ''), before.find('i', ''))
})

test('choose() keeps the shares of the weights', () => {
  const target = { kind: 'invalid', status: 500, reason: '', message: '' } as const
  const backends = [5, 0, 3, 2].map(weight => ({ weight, target }))
  const stream = tableOf(route('TCPRoute', 'a', { backends })).find('h', '')
  const counts = new Map<number, number>()
  for (let i = 0; i < 1_000; i++) {
    const weight = stream?.choose(i / 1_000)?.weight ?? -1
    counts.set(weight, (counts.get(weight) ?? 0) + 1)
  }
  assert.deepEqual(
    counts,
    new Map([
      [5, 500],
      [3, 300],
      [2, 200],
    ]),
  )
})
