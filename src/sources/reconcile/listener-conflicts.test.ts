import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GatewayListener } from '../schema/resource.ts'
import { findConflicts } from './listener-conflicts.ts'

function listener(protocol: string, port: number, hostname?: string): GatewayListener {
  const base = { name: `${protocol}-${port}`, protocol, port, allowedRoutes: { namespaces: { from: 'Same' as const } } }
  return hostname === undefined ? base : { ...base, hostname }
}

test('findConflicts() tells listeners apart by what their port carries', () => {
  const host = 'HostnameConflict'
  const protocol = 'ProtocolConflict'
  const rows: [GatewayListener[], (string | undefined)[]][] = [
    [
      [listener('HTTP', 80, 'a.com'), listener('HTTP', 80, 'b.com')],
      [undefined, undefined],
    ],
    [
      [listener('HTTP', 80, 'a.com'), listener('HTTP', 80)],
      [undefined, undefined],
    ],
    [
      [listener('HTTP', 80, 'a.com'), listener('HTTP', 80, 'A.com')],
      [host, host],
    ],
    [
      [listener('HTTP', 80), listener('HTTP', 80), listener('HTTP', 80, 'a.com')],
      [host, host, undefined],
    ],
    [
      [listener('HTTP', 80), listener('HTTP', 81)],
      [undefined, undefined],
    ],
    [
      [listener('HTTPS', 443, 'a.com'), listener('TLS', 443, 'b.com')],
      [undefined, undefined],
    ],
    [
      [listener('HTTPS', 443, 'a.com'), listener('TLS', 443, 'a.com')],
      [host, host],
    ],
    [
      [listener('HTTP', 80, 'a.com'), listener('HTTPS', 80, 'b.com')],
      [protocol, protocol],
    ],
    [
      [listener('TCP', 80), listener('HTTP', 80, 'b.com')],
      [protocol, protocol],
    ],
    [
      [listener('TCP', 80), listener('TLS', 80, 'b.com')],
      [protocol, protocol],
    ],
    [
      [listener('TCP', 80), listener('TCP', 80)],
      [protocol, protocol],
    ],
    [
      [listener('UDP', 80), listener('UDP', 80)],
      [protocol, protocol],
    ],
    [
      [listener('UDP', 80), listener('TCP', 80)],
      [undefined, undefined],
    ],
    [
      [listener('UDP', 80), listener('HTTP', 80)],
      [undefined, undefined],
    ],
  ]
  for (const [listeners, expected] of rows) {
    const conflicts = findConflicts(listeners)
    assert.deepEqual(
      listeners.map((_, index) => conflicts.get(index)?.reason),
      expected,
      listeners.map(one => `${one.protocol} ${one.port} ${one.hostname}`).join(', '),
    )
  }
})
