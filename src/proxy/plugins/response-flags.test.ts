import assert from 'node:assert/strict'
import { test } from 'node:test'
import { localReplies } from '../../model/index.ts'
import { flagBits } from './response-flags.ts'

test('flagBits() has a bit for each flag, as Envoy numbers them', () => {
  assert.equal(flagBits('-'), 0n)
  assert.equal(flagBits('UF'), 1n << 5n)
  assert.equal(flagBits('DI,UT'), (1n << 9n) | (1n << 2n))
  assert.equal(flagBits('UAEX'), 1n << 12n)
})

/** Ours alone: Envoy ends such requests without a flag. */
const unknownToEnvoy: ReadonlySet<string> = new Set(['-', 'RT'])

test('flagBits() knows every flag of an answer of our own', () => {
  for (const { flag } of Object.values(localReplies))
    assert.equal(flagBits(flag) === 0n, unknownToEnvoy.has(flag), flag)
})
