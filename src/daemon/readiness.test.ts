import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Readiness } from './readiness.ts'

test('Readiness names what is awaited until all tasks are done', () => {
  const readiness = new Readiness()
  const configuration = readiness.await('configuration')
  const first = readiness.await('workers')
  const second = readiness.await('workers')
  assert.deepEqual([readiness.isReady, readiness.awaited], [false, ['configuration', 'workers']])
  configuration()
  first()
  first()
  assert.deepEqual(readiness.awaited, ['workers'])
  second()
  assert.deepEqual([readiness.isReady, readiness.awaited], [true, []])
})

test('Readiness is lost when a task begins anew and for good when the agent stops', () => {
  const readiness = new Readiness()
  assert.equal(readiness.isReady, true)
  const done = readiness.await('workers')
  assert.equal(readiness.isReady, false)
  done()
  readiness.stop()
  assert.deepEqual([readiness.isReady, readiness.awaited], [false, ['shutdown']])
})
