import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeProperty } from './node-property.ts'

test('nodeProperty() is the message of a node, and its id by itself', () => {
  const property = nodeProperty('n1')
  const node = property(['xds', 'node'])
  assert.ok(typeof node === 'object' && node !== null && 'message' in node)
  assert.deepEqual(Buffer.from(node.message ?? []), Buffer.from('\x0a\x02n1'))
  assert.equal(property(['xds', 'node', 'id']), 'n1')
  for (const path of [['xds'], ['xds', 'node', 'metadata'], ['xds', 'node', 'id', 'x'], ['node']])
    assert.equal(property(path), undefined)
})
