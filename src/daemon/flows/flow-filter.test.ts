import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flowFilter } from './flow-filter.ts'
import type { FlowQuery } from './flow-filter.ts'
import type { FlowRecord } from './flow-record.ts'

const source = { workload: 'shop/web-1', service: 'shop/web' }
const destination = {
  service: 'shop/db:5432',
  workload: 'shop/db-0',
  asked: '127.77.0.1:5432',
  given: '127.0.0.1:7000',
}
const connection: FlowRecord = {
  kind: 'refused',
  timeMs: 0,
  source,
  destination,
  protocol: 'TCP',
  verdict: 'egress-denied',
  policies: [],
  rules: [],
  transfer: undefined,
}
const name: FlowRecord = {
  kind: 'name',
  timeMs: 0,
  source,
  name: 'db',
  type: 'A',
  answeredBy: 'mesh',
  verdict: 'NXDOMAIN',
  addresses: [],
  durationMs: 0,
}
const request: FlowRecord = {
  kind: 'request',
  timeMs: 0,
  source,
  method: 'GET',
  target: '/',
  destination,
  verdict: '503',
  durationMs: 0,
  sentBytes: 0,
  receivedBytes: 0,
}
const lost: FlowRecord = { kind: 'lost', timeMs: 0, count: 1 }

/** Whether the connection and the name are shown. */
const rows: readonly (readonly [query: Partial<FlowQuery>, connection: boolean, name: boolean])[] = [
  [{}, true, true],
  [{ service: 'db' }, true, false],
  [{ service: 'shop/db' }, true, false],
  [{ service: 'shop/db:5432' }, true, false],
  [{ service: 'shop/db:5433' }, false, false],
  [{ service: 'b' }, false, false],
  [{ service: 'other/db' }, false, false],
  [{ service: 'db-0' }, true, false],
  [{ service: 'web' }, true, true],
  [{ service: 'shop/web-1' }, true, true],
  [{ verdict: 'refused' }, true, false],
  [{ verdict: 'egress-denied' }, true, false],
  [{ verdict: 'allowed' }, false, false],
  [{ verdict: 'name' }, false, true],
  [{ verdict: 'NXDOMAIN', service: 'web' }, false, true],
  [{ verdict: 'NXDOMAIN', service: 'db' }, false, false],
]

const requests: readonly (readonly [query: Partial<FlowQuery>, isShown: boolean])[] = [
  [{ verdict: 'request', service: 'db' }, true],
  [{ verdict: '503', service: 'web' }, true],
  [{ verdict: '500' }, false],
]
for (const [query, isShown] of requests) {
  test(`flowFilter(${JSON.stringify(query)}) of a request`, () =>
    assert.equal(flowFilter({ service: null, verdict: null, ...query })(request), isShown))
}

for (const [query, ...expected] of rows) {
  test(`flowFilter(${JSON.stringify(query)})`, () => {
    const isWanted = flowFilter({ service: null, verdict: null, ...query })
    assert.deepEqual([isWanted(connection), isWanted(name), isWanted(lost)], [...expected, true])
  })
}
