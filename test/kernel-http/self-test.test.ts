import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kernelSkip, openTestBpf } from '../../src/kernel/ebpf/testing.ts'
import { selfTest } from '../../src/kernel-http/index.ts'

test(
  'this kernel does what the path relies on, and nothing of the self-test stays',
  { skip: kernelSkip() },
  async t => {
    const results = await selfTest(openTestBpf(t))
    assert.deepEqual(
      results.filter(({ difference }) => difference !== undefined),
      [],
    )
    assert.ok(results.length >= 7)
  },
)
