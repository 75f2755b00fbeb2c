import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../core/index.ts'
import { ResourceStore } from './resource-store.ts'
import type { ResourceUpdate } from './resource-table.ts'

const workload = (port: number | string): string => `
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: reviews-1, namespace: shop }
spec: { service: reviews, port: ${port} }
`

const namespace = (name: string): string => `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"${name}"}}`

test('ResourceStore puts files and documents put by hand together', { timeout: 10_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-store-'))
  try {
    await writeFile(join(directory, 'a.yaml'), namespace('a'))
    await using store = await ResourceStore.open({ paths: [directory], clock: systemClock })
    assert.deepEqual([...store.current.resources.keys()], ['Namespace a'])

    const updates: ResourceUpdate[] = []
    const { promise: seen, resolve } = Promise.withResolvers<void>()
    const subscription = store.subscribe(update => {
      updates.push(update)
      if (update.resources.has('Namespace b')) resolve()
    })
    assert.deepEqual(store.put('run/1', workload(9080)).changed, ['Workload shop/reviews-1'])
    const bad = store.put('run/1', workload('x'))
    assert.deepEqual(bad.changed, [])
    assert.equal(bad.problems[0]?.file, 'run/1')
    assert.ok(bad.resources.has('Workload shop/reviews-1'))

    await writeFile(join(directory, 'b.json'), namespace('b'))
    await seen
    assert.deepEqual(store.remove('run/1').changed, ['Workload shop/reviews-1'])
    assert.deepEqual(store.current.problems, [])
    assert.equal(updates.at(-1), store.current)

    const count = updates.length
    subscription[Symbol.dispose]()
    store.remove('run/1')
    assert.equal(updates.length, count)
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('ResourceStore without files is empty', async () => {
  await using store = await ResourceStore.open({ paths: [], clock: systemClock })
  assert.equal(store.current.resources.size, 0)
  store.put('x', namespace('x'))
  assert.equal(store.current.resources.size, 1)
})
