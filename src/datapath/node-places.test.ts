import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NodeTable } from './node-places.ts'
import { meshOf } from './testing.ts'

test('NodeTable.update() makes sockets of the proxy and the name server places of the node, while they are there', () => {
  const table = new NodeTable()
  const { listeners } = meshOf([{ name: 'a', addresses: ['127.77.0.1'], port: 80 }]).snapshot
  const dns = { address: '127.0.0.1', port: 15_053, protocol: 'UDP' } as const
  const writes = table.update(listeners, [dns])
  assert.deepEqual(
    writes.map(
      write => write.kind === 'set' && write.map === 'hd_places' && [write.key.protocol, write.value.identity],
    ),
    [
      [6, 1],
      [17, 1],
    ],
  )
  assert.deepEqual(table.update(listeners, [dns]), [])
  assert.deepEqual(
    table.update(new Map(), [dns]).map(({ kind }) => kind),
    ['delete'],
  )
})
