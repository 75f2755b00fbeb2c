import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestTls } from './testing.ts'

test('dropUnsent() leaves nothing to be sent, however much it was', t => {
  const { thread } = new TestTls(t)
  const bytes = Buffer.alloc(700_000, 1)
  thread.calls.call.BIO_write(thread.outgoing, thread.written.of(bytes), bytes.length)
  thread.dropUnsent()
  assert.equal(thread.calls.call.BIO_ctrl_pending(thread.outgoing), 0)
})

test('lend() ends with a zero byte, whatever was lent before, and grows', t => {
  const { thread } = new TestTls(t)
  assert.equal(thread.calls.textAt(thread.lend('a long text')), 'a long text')
  assert.equal(thread.calls.textAt(thread.lend('short')), 'short')
  assert.equal(thread.calls.textAt(thread.lend('')), '')
  const large = 'x'.repeat(100_000)
  assert.equal(thread.calls.textAt(thread.lend(large)), large)
  assert.equal(thread.calls.textAt(thread.lend('ünïcode')), 'ünïcode')
  const at = thread.lend('secret')
  thread.wipe()
  assert.deepEqual(thread.calls.viewAt(at, 6), Buffer.alloc(6))
})

test('takeError() names the oldest error as Node does, and forgets all of them', t => {
  const { thread } = new TestTls(t)
  const { call } = thread.calls
  assert.throws(() => thread.check(call.SSL_CTX_set_cipher_list(thread.must(contextOf(thread)), thread.lend('NONE'))), {
    code: 'ERR_SSL_NO_CIPHER_MATCH',
    message: 'no cipher match',
  })
  const nothing = thread.takeError()
  assert.deepEqual([nothing.message, Reflect.get(nothing, 'code')], ['OpenSSL gives no reason', 'ERR_SSL_'])
  assert.throws(() => thread.must(0n), /no reason/)
})

function contextOf({ calls, contexts }: TestTls['thread']): bigint {
  const pointer = calls.call.SSL_CTX_new(calls.call.TLS_client_method())
  contexts.add({ [Symbol.dispose]: () => calls.call.SSL_CTX_free(pointer) })
  return pointer
}

test('a context that nobody has disposed of goes with its thread', t => {
  const tls = new TestTls(t)
  tls.server()
  assert.equal(tls.held.SSL_CTX, 1)
  tls.thread[Symbol.dispose]()
  assert.equal(tls.held.SSL_CTX, 0)
})
