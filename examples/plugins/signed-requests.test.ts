import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { compilePlugin, HeaderMap, pluginConfig, runOffline } from 'heddle/proxy-wasm'
import type { HttpCallResult, OfflineOutcome } from 'heddle/proxy-wasm'

const module = await compilePlugin(await readFile(new URL('signed-requests.wasm', import.meta.url)))
const config = pluginConfig({ name: 'signed-requests', configuration: '{"verifier": "verifier"}' })

/** What becomes of a signed request when the verifier answers so. */
function ask(answer: HttpCallResult): OfflineOutcome {
  const fields = [
    [':method', 'GET'],
    [':path', '/orders'],
    [':authority', 'shop'],
    ['x-signature', 'abc'],
  ] as const
  const body = new Uint8Array()
  return runOffline(module, {
    config,
    request: { headers: HeaderMap.of(fields), body },
    response: { headers: HeaderMap.of([[':status', '200']]), body },
    upstreams: new Map([['verifier', answer]]),
  }).outcome
}

function answer(status: string, fields: readonly (readonly [string, string])[] = []): HttpCallResult {
  const headers = HeaderMap.of([[':status', status], ...fields])
  return { kind: 'response', headers, body: new Uint8Array(), trailers: HeaderMap.of([]) }
}

test('a request that the verifier accepts goes on with the name of its signer', () => {
  const outcome = ask(answer('200', [['x-signed-by', 'ada']]))
  assert.ok(outcome.kind === 'passed')
  assert.equal(outcome.request.headers.get('x-signed-by'), 'ada')
})

test('a request that it refuses is answered with 403, and with 503 when there is no answer', () => {
  for (const [result, status] of [
    [answer('403'), 403],
    [answer('500'), 503],
    [{ kind: 'failed', detail: 'nobody there' } as const, 503],
  ] as const) {
    const outcome = ask(result)
    assert.ok(outcome.kind === 'answered')
    assert.equal(outcome.response.status, status)
  }
})
