import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeaderMap } from '../../codec/index.ts'
import { OfflineCallouts } from './offline-callouts.ts'
import type { GrpcCall, GrpcObserver, HttpCallResult } from './ports.ts'

function answer(fields: readonly (readonly [string, string])[], body = ''): HttpCallResult {
  return { kind: 'response', headers: HeaderMap.of(fields), body: Buffer.from(body), trailers: new HeaderMap() }
}

const call: GrpcCall = { upstream: 'users', service: 'a.B', method: 'C', metadata: new HeaderMap(), timeoutMs: 0 }

/** What a gRPC call to a service with this answer comes to. */
function ask(result: HttpCallResult, { isCancelled = false } = {}): readonly string[] {
  const heard: string[] = []
  const observer: GrpcObserver = {
    onInitialMetadata: () => void heard.push('initial'),
    onMessage: message => void heard.push(`message ${Buffer.from(message).toString()}`),
    onTrailingMetadata: () => void heard.push('trailing'),
    onClose: (status, text) => void heard.push(`close ${status} ${text}`.trimEnd()),
  }
  const callouts = new OfflineCallouts(new Map([['users', result]]))
  const stream = callouts.grpc(call, observer)
  assert.ok('send' in stream)
  stream.send(Buffer.from('asked'), 'end')
  if (isCancelled) stream.cancel()
  assert.deepEqual(heard, [], 'nothing comes before the callback has returned')
  callouts.settle()
  return heard
}

test('OfflineCallouts answers gRPC calls with the body, or with the status', () => {
  assert.deepEqual(ask(answer([[':status', '200']], 'ada')), ['initial', 'message ada', 'trailing', 'close 0'])
  const denied = [
    [':status', '200'],
    ['grpc-status', '7'],
    ['grpc-message', 'no'],
  ] as const
  assert.deepEqual(ask(answer(denied)), ['initial', 'trailing', 'close 7 no'])
  assert.deepEqual(ask(answer([[':status', '503']])), ['initial', 'trailing', 'close 14'])
  assert.deepEqual(ask({ kind: 'failed', detail: 'gone' }), ['close 14 gone'])
  assert.deepEqual(ask(answer([[':status', '200']]), { isCancelled: true }), [])
})

test('OfflineCallouts refuses calls to whom no answer was given', () => {
  const callouts = new OfflineCallouts(new Map())
  const silent = { onInitialMetadata() {}, onMessage() {}, onTrailingMetadata() {}, onClose() {} }
  assert.ok('refused' in callouts.grpc(call, silent))
  const httpCall = {
    upstream: 'x',
    headers: new HeaderMap(),
    body: Buffer.alloc(0),
    trailers: new HeaderMap(),
    timeoutMs: 0,
  }
  assert.ok('refused' in callouts.http(httpCall, () => assert.fail('answered')))
})
