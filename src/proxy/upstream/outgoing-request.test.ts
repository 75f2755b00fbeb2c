import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OutgoingRequest } from './outgoing-request.ts'

function counting(): { readonly length: number; write(into: Uint8Array): void } {
  let count = 0
  return {
    length: 4,
    write: into => void Buffer.from(String(++count).padStart(4, '0')).copy(into),
  }
}

/** As whoever renders it for HTTP/2. */
function render(request: OutgoingRequest, ids: ReturnType<typeof counting>): string | undefined {
  request.isHttp2 = true
  request.list.clear()
  request.list.add(request.idEntry(ids))
  return request.list.value('x-request-id')
}

test('a request has one id, however often it is rendered, and the next one another', () => {
  const [request, ids] = [new OutgoingRequest(), counting()]
  assert.deepEqual([request.requestId, request.requestIdBytes], ['', undefined])
  assert.deepEqual([render(request, ids), render(request, ids), request.requestId], ['0001', '0001', '0001'])
  assert.equal(Buffer.from(request.requestIdBytes ?? []).toString('latin1'), '0001')
  request.reset()
  assert.deepEqual([request.requestId, request.requestIdBytes], ['', undefined])
  assert.deepEqual([render(request, ids), request.requestId], ['0002', '0002'])
})

test('an id that it has already is the one that is sent', () => {
  const [request, ids] = [new OutgoingRequest(), counting()]
  render(request, ids)
  request.reset()
  request.requestId = 'of the client'
  assert.deepEqual([render(request, ids), request.requestId], ['of the client', 'of the client'])
  assert.equal(request.requestIdBytes, undefined)
})

test('a copy keeps its id when the original serves the next request', () => {
  const [request, ids] = [new OutgoingRequest(), counting()]
  render(request, ids)
  const copy = request.copy()
  request.reset()
  render(request, ids)
  assert.deepEqual([copy.requestId, copy.list.value('x-request-id')], ['0001', '0001'])
  assert.deepEqual([request.requestId, request.list.value('x-request-id')], ['0002', '0002'])
})
