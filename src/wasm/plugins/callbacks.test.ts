import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callbacksOf } from './callbacks.ts'

test('trailing metadata of gRPC comes by the name of the ABI, or by that of the AssemblyScript SDKs', () => {
  const [right, misspelt] = [() => 1, () => 2]
  const exported = new Map([['proxy_on_grpc_trailing_metadata', misspelt]])
  assert.equal(callbacksOf(name => exported.get(name)).onGrpcTrailingMetadata, misspelt)
  exported.set('proxy_on_grpc_receive_trailing_metadata', right)
  assert.equal(callbacksOf(name => exported.get(name)).onGrpcTrailingMetadata, right)
})
