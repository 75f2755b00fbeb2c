import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headOf } from './path-log.ts'

const sampled = (text: string): ReturnType<typeof headOf> => headOf(Buffer.from(text, 'latin1').subarray(0, 512))

test('headOf() tells of a request what was kept of it', () => {
  assert.deepEqual(sampled('GET /cart?item=7 HTTP/1.1\r\nHost: shop\r\nUser-Agent: curl/8\r\n\r\n'), {
    method: 'GET',
    target: '/cart?item=7',
    authority: 'shop',
    userAgent: 'curl/8',
  })
  assert.deepEqual(sampled('POST / HTTP/1.1\r\nhost:a\r\n\r\nuser-agent: of the body'), {
    method: 'POST',
    target: '/',
    authority: 'a',
    userAgent: '',
  })
  assert.equal(sampled(`GET /${'p'.repeat(600)} HTTP/1.1\r\nHost: shop\r\n\r\n`).target.length, 508)
})
