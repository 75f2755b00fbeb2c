import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConnectionRecord, FlowRecord, NameRecord, RequestRecord } from '../daemon/index.ts'
import { renderFlow } from './flows.ts'
import { plain } from './paint.ts'

const connection: ConnectionRecord = {
  kind: 'opened',
  timeMs: Date.UTC(2026, 0, 1, 12, 4, 5, 123),
  source: { workload: 'shop/web-1', service: 'shop/web' },
  destination: { service: 'shop/db:5432', workload: 'shop/db-0', asked: '127.77.0.1:5432', given: '127.0.0.1:7000' },
  protocol: 'TCP',
  verdict: 'allowed',
  policies: [],
  rules: [],
  transfer: undefined,
}
const name: NameRecord = {
  kind: 'name',
  timeMs: connection.timeMs,
  source: connection.source,
  name: 'db',
  type: 'A',
  answeredBy: 'mesh',
  verdict: 'NOERROR',
  addresses: ['127.77.0.1'],
  durationMs: 0.1,
}
const request: RequestRecord = {
  kind: 'request',
  timeMs: connection.timeMs,
  source: connection.source,
  method: 'GET',
  target: '/a?b=c',
  destination: { service: 'shop/db:5432', workload: 'shop/db-0', given: '127.0.0.1:7000' },
  verdict: '200',
  durationMs: 0.05,
  sentBytes: 0,
  receivedBytes: 30,
}
const transfer = { sentBytes: 310, receivedBytes: 4210, durationMs: 7.1, connectMs: 0.03, roundTripMs: 0.02 }
const elsewhere = { service: '', workload: '', asked: '192.0.2.1:443', given: '192.0.2.1:443' }

const rows: readonly (readonly [record: FlowRecord, text: string])[] = [
  [connection, 'shop/web-1 → shop/db:5432 (127.0.0.1:7000) TCP opened'],
  [
    { ...connection, rules: ['shop/all egress[0]'] },
    'shop/web-1 → shop/db:5432 (127.0.0.1:7000) TCP opened by shop/all egress[0]',
  ],
  [
    { ...connection, kind: 'closed', transfer },
    'shop/web-1 → shop/db:5432 (127.0.0.1:7000) TCP closed after 7.1ms, connected in 0.03ms, round trip 0.02ms; sent 310 B, received 4210 B',
  ],
  [
    { ...connection, protocol: 'UDP', kind: 'closed', transfer: { sentBytes: 3, receivedBytes: 9, durationMs: 7.1 } },
    'shop/web-1 → shop/db:5432 (127.0.0.1:7000) UDP closed after 7.1ms; sent 3 B, received 9 B',
  ],
  [{ ...connection, kind: 'failed' }, 'shop/web-1 → shop/db:5432 (127.0.0.1:7000) TCP failed: nobody took it'],
  [
    { ...connection, kind: 'refused', verdict: 'egress-denied', policies: ['shop/a', 'shop/b'] },
    'shop/web-1 → shop/db:5432 (127.0.0.1:7000) TCP refused: egress-denied by shop/a, shop/b',
  ],
  [{ ...connection, destination: elsewhere, protocol: 'UDP' }, 'shop/web-1 → 192.0.2.1:443 UDP opened'],
  [{ ...connection, source: { workload: '', service: '' } }, 'elsewhere → shop/db:5432 (127.0.0.1:7000) TCP opened'],
  [request, 'shop/web-1 → shop/db:5432 (127.0.0.1:7000) GET /a?b=c 200 in 0.05ms; sent 0 B, received 30 B'],
  [name, 'shop/web-1 ? db A = 127.77.0.1'],
  [{ ...name, name: 'a\u001b[31mb', addresses: [] }, 'shop/web-1 ? ab A = nothing'],
  [
    { ...name, verdict: 'NXDOMAIN', answeredBy: 'forward', durationMs: 12 },
    'shop/web-1 ? db A = NXDOMAIN by its resolver, 12ms',
  ],
  [{ kind: 'lost', timeMs: connection.timeMs, count: 7 }, '7 events were lost'],
]

for (const [record, text] of rows) {
  test(`renderFlow(): ${text}`, () => assert.equal(renderFlow(record, plain), `12:04:05.123 ${text}`))
}
