import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, silentMeter } from '../../core/index.ts'
import type { Meter } from '../../core/index.ts'
import type { Flow } from '../../datapath/index.ts'
import type { AccessRecord, NetworkIdentity, NetworkMember } from '../../model/index.ts'
import type { NameResolved } from '../../names/index.ts'
import { FlowBook } from './flow-book.ts'
import type { FlowRecord } from './flow-record.ts'

const mapped = (last: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, last)
const identity = (id: number, service: string): NetworkIdentity => {
  return { id, name: service, key: service, namespace: 'shop', service, labels: {}, ports: [] }
}
const member = (key: string, id: number, port: number): NetworkMember => {
  return { key, identity: id, address: Uint8Array.of(127, 0, 0, 1), ports: [{ protocol: 'TCP', port }] }
}
const flow: Flow = {
  kind: 'begin',
  timeNs: 0n,
  verdict: 'allowed',
  protocol: 6,
  role: 'client',
  cgroup: 1n,
  workload: 'shop/web-1',
  socketCookie: 1n,
  asked: { address: mapped(77), port: 5432 },
  given: { address: mapped(1), port: 7000 },
  service: 'shop/db:5432',
  fromIdentity: 16,
  toIdentity: 17,
  rules: [],
  policies: [],
  transfer: undefined,
}
const transfer = { sentBytes: 3, receivedBytes: 5, durationMs: 2, connectMs: 1, roundTripMs: 1 }

function bookOf(): {
  readonly book: FlowBook
  readonly clock: ManualClock
  readonly counts: Map<string, { value: number }>
  readonly seen: () => readonly string[]
} {
  const counts = new Map<string, { value: number }>()
  const meter: Meter = {
    ...silentMeter,
    counter: (name, labels) => {
      const key = [name.replace('heddle_flow', ''), ...Object.values(labels)].join(' ')
      const counter = counts.get(key) ?? { value: 0 }
      counts.set(key, counter)
      return counter
    },
  }
  const clock = new ManualClock()
  const book = new FlowBook({ clock, meter, isActive: true })
  book.update({
    members: [member('shop/web-1', 16, 8000), member('shop/db-0', 17, 7000)],
    identities: new Map([
      [16, identity(16, 'shop/web')],
      [17, identity(17, 'shop/db')],
    ]),
  })
  const seen = (): readonly string[] =>
    book.feed.recent().map(record => {
      if (record.kind === 'lost') return `lost ${record.count}`
      if (record.kind === 'name') return `${record.source.service} ? ${record.name} ${record.type} ${record.verdict}`
      const { source, destination, kind } = record
      return `${source.workload}/${source.service} ${kind} ${destination.service} ${destination.workload} ${destination.given}`
    })
  return { book, clock, counts, seen }
}

test('FlowBook tells who is at both ends, and counts by their Services', () => {
  const { book, counts, seen } = bookOf()
  book.flow(flow)
  book.flow({ ...flow, kind: 'end', transfer })
  book.flow({ ...flow, kind: 'end', transfer: { ...transfer, connectMs: undefined } })
  book.flow({ ...flow, kind: 'end', protocol: 17, transfer: { ...transfer, connectMs: undefined } })
  book.flow({ ...flow, verdict: 'egress-denied' })
  book.flow({ ...flow, service: undefined, given: { address: mapped(9), port: 1 }, workload: undefined })
  assert.deepEqual(seen(), [
    'shop/web-1/shop/web opened shop/db:5432 shop/db-0 127.0.0.1:7000',
    'shop/web-1/shop/web closed shop/db:5432 shop/db-0 127.0.0.1:7000',
    'shop/web-1/shop/web failed shop/db:5432 shop/db-0 127.0.0.1:7000',
    'shop/web-1/shop/web closed shop/db:5432  127.0.0.1:7000',
    'shop/web-1/shop/web refused shop/db:5432 shop/db-0 127.0.0.1:7000',
    '/ opened   127.0.0.9:1',
  ])
  assert.deepEqual(Object.fromEntries([...counts].map(([key, { value }]) => [key, value])), {
    _events_lost_total: 0,
    's_total shop/web shop/db:5432 allowed': 1,
    's_total shop/web shop/db:5432 failed': 1,
    's_total shop/web shop/db:5432 egress-denied': 1,
    's_total elsewhere elsewhere allowed': 1,
    '_bytes_total shop/web shop/db:5432 sent': 6,
    '_bytes_total shop/web shop/db:5432 received': 10,
  })
})

test('FlowBook turns what a workload tells of its callers the right way round', () => {
  const { book, seen } = bookOf()
  const told = { ...flow, role: 'server', workload: 'shop/db-0', service: undefined, asked: flow.given } as const
  book.flow({ ...told, fromIdentity: 0, verdict: 'ingress-denied' })
  book.flow({ ...told, fromIdentity: 1 })
  assert.deepEqual(seen(), [
    '/ refused shop/db shop/db-0 127.0.0.1:7000',
    'agent/ opened shop/db shop/db-0 127.0.0.1:7000',
  ])
})

test('FlowBook tells names of programs of the mesh only', () => {
  const { book, seen } = bookOf()
  const server = { address: '127.0.0.1', port: 53 }
  const resolved: NameResolved = {
    client: { ...server, transport: 'udp', server, isLed: true },
    asker: { workload: 'shop/web-1', namespace: 'shop', mayForward: true },
    name: 'db',
    type: 28,
    source: 'mesh',
    responseCode: 3,
    addresses: [],
    durationMs: 1,
  }
  book.name(resolved)
  book.name({ ...resolved, asker: undefined })
  assert.deepEqual(seen(), ['shop/web ? db AAAA NXDOMAIN'])
})

test('FlowBook tells of requests whoever follows, and keeps none of them', () => {
  const { book, clock, counts, seen } = bookOf()
  const told: FlowRecord[] = []
  using _ = book.feed.follow(record => told.push(record))
  book.request({
    method: 'GET',
    target: '/a',
    status: 200,
    durationMs: 0.1,
    requestBytes: 3,
    responseBytes: 5,
    clientWorkload: 'shop/web-1',
    virtualHost: 'Service shop/db:5432',
    endpoint: '127.0.0.1:7000',
  } as AccessRecord)
  assert.deepEqual(told, [
    {
      kind: 'request',
      timeMs: clock.wallMs(),
      source: { workload: 'shop/web-1', service: 'shop/web' },
      method: 'GET',
      target: '/a',
      destination: { service: 'shop/db:5432', workload: 'shop/db-0', given: '127.0.0.1:7000' },
      verdict: '200',
      durationMs: 0.1,
      sentBytes: 3,
      receivedBytes: 5,
    },
  ])
  assert.deepEqual([seen(), [...counts.keys()]], [[], ['_events_lost_total']])
})

test('FlowBook.lost() tells how many more were lost, also after programs were loaded anew', () => {
  const { book, counts, seen } = bookOf()
  for (const total of [0n, 5n, 5n, 12n, 2n]) book.lost(total)
  assert.deepEqual(seen(), ['lost 5', 'lost 7', 'lost 2'])
  assert.equal(counts.get('_events_lost_total')?.value, 14)
})
