import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSslCalls, versionProblem } from './calls.ts'

test('openSslCalls() finds every function in this Node, and the version that it says it has', () => {
  using calls = openSslCalls()
  assert.ok(Object.keys(calls.call).length >= 50)
})

test('versionProblem() takes OpenSSL 3 as Node has it, and nothing else', () => {
  const cases: readonly [found: string, nodes: string | undefined, problem: string | undefined][] = [
    ['3.5.8', '3.5.8', undefined],
    ['3.0.15', '3.0.15+quic', undefined],
    ['3.5.9', '3.5.8', 'this process has OpenSSL 3.5.9, and Node OpenSSL 3.5.8'],
    ['', '3.5.8', 'this process has OpenSSL (unknown), and Node OpenSSL 3.5.8'],
    ['3.5.8', undefined, 'this process has OpenSSL 3.5.8, and Node OpenSSL (unknown)'],
    ['', '', 'this process has OpenSSL (unknown), and Node OpenSSL (unknown)'],
    ['1.1.1w', '1.1.1w', 'only OpenSSL 3 is known, and Node has 1.1.1w'],
    ['4.0.0', '4.0.0', 'only OpenSSL 3 is known, and Node has 4.0.0'],
    ['30.0.0', '30.0.0', 'only OpenSSL 3 is known, and Node has 30.0.0'],
  ]
  for (const [found, nodes, problem] of cases) assert.equal(versionProblem(found, nodes), problem, found)
})
