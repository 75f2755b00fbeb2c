import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sketchListener } from '../routing/fixtures.ts'
import { emptySnapshot } from '../../model/index.ts'
import type { Listener } from '../../model/index.ts'
import { RouteTable } from '../routing/route-table.ts'
import { isMisdirected } from './misdirected.ts'

function tableOf(listener: Listener): RouteTable<string> {
  const empty: RouteTable<string> = RouteTable.empty
  return empty.update({ ...emptySnapshot, version: 1, listeners: new Map([['l', listener]]) }, () => '')
}

test('isMisdirected() follows the table of the Gateway API', () => {
  const hosts = { any: undefined, second: 'second.org', wild: '*.wild.org', four: 'four.wild.org' }
  const listener = sketchListener(hosts, 'l')
  const table = tableOf(listener)
  const rows: [string, string, boolean][] = [
    ['first.org', 'first.org', false],
    ['first.org', 'second.org', true],
    ['first.org', 'unknown.org', false],
    ['second.org', 'second.org', false],
    ['second.org', 'first.org', true],
    ['second.org', 'unknown.org', true],
    ['x.wild.org', 'y.wild.org', false],
    ['x.wild.org', 'four.wild.org', true],
    ['x.wild.org', 'second.org', true],
    ['four.wild.org', 'y.wild.org', true],
    ['', 'unknown.org', false],
    ['', 'second.org', true],
  ]
  for (const [serverName, host, expected] of rows) {
    assert.equal(isMisdirected(table, 'l', serverName, host), expected, `${serverName} ${host}`)
  }
})

test('isMisdirected() leaves a host that no listener has to the route table', () => {
  const listener = sketchListener({ one: 'one.org' }, 'l')
  const table = tableOf(listener)
  assert.equal(isMisdirected(table, 'l', 'one.org', 'two.org'), false)
})
