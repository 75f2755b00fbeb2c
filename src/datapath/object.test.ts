import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSockets } from './object.ts'

// A pinned map of another shape begins anew when a version takes over: sockets that are in one of these would be
// strangers then, to whom policies are open. Another layout is a map of another name beside them (bpf/datapath/maps.h).
test('maps by which policies know sockets of earlier versions keep their shape', () => {
  const shapes = readSockets()
    .maps.filter(({ name }) => ['hd_adopted', 'hd_callers', 'hd_guests'].includes(name))
    .map(({ name, kind, keyBytes, valueBytes, maxEntries, flags }) => [
      name,
      kind,
      keyBytes,
      valueBytes,
      maxEntries,
      flags,
    ])
  assert.deepEqual(shapes, [
    ['hd_adopted', 'sk-storage', 4, 8, 0, 513],
    ['hd_callers', 'lru-hash', 40, 8, 65_536, 0],
    ['hd_guests', 'lru-hash', 48, 8, 65_536, 0],
  ])
})
