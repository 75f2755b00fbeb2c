import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameOfProgram, recordOf } from './program-record.ts'

const record = { restarts: 2, pid: 17, workload: 'shop/web-0', fingerprint: 'ab', sinceMs: 1.5 }

test('recordOf() reads what nameOfProgram() wrote, whose order is always the same', () => {
  const name = nameOfProgram(record)
  const read = recordOf(name)
  assert.deepEqual(read, record)
  assert.ok(read !== undefined)
  assert.equal(nameOfProgram(read), name)
})

const others: readonly string[] = [
  'tcp 127.0.0.1:80 0',
  'stdout 17',
  'program {}',
  nameOfProgram({ ...record, pid: 1 }),
  nameOfProgram({ ...record, pid: 1.5 }),
]
for (const name of others) {
  test(`recordOf() takes nothing from ${name}`, () => assert.equal(recordOf(name), undefined))
}
