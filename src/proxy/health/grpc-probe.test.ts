import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { decodeHealthRequest, encodeHealthResponse, grpcHealthPath } from '../../codec/index.ts'
import type { ServingStatus } from '../../codec/index.ts'
import { systemClock } from '../../core/index.ts'
import { startProbe } from './probe.ts'
import type { ProbeResult } from './probe-result.ts'

const bytes = (message: Buffer): Buffer => message

/** A server of grpc-js with a health service of these statuses, by service. */
async function openServer(statuses: Readonly<Record<string, ServingStatus>>): Promise<{ port: number } & Disposable> {
  const server = new grpc.Server()
  const check: grpc.MethodDefinition<Buffer, Buffer> = {
    path: grpcHealthPath,
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  }
  const answer: grpc.handleUnaryCall<Buffer, Buffer> = (call, done) => {
    const status = statuses[decodeHealthRequest(call.request) ?? '?']
    if (status === undefined) done({ code: grpc.status.NOT_FOUND })
    else done(null, encodeHealthResponse(status))
  }
  server.addService({ check }, { check: answer })
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure()
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  return { port, [Symbol.dispose]: () => server.forceShutdown() }
}

function probe(port: number, service: string): Promise<ProbeResult> {
  const check = {
    kind: 'GRPC',
    service,
    intervalMs: 1_000,
    timeoutMs: 5_000,
    healthyThreshold: 1,
    unhealthyThreshold: 1,
  } as const
  const target = { address: '127.0.0.1', port, tls: undefined, preface: undefined }
  return new Promise(resolve => startProbe(check, target, systemClock, resolve))
}

test('a server that serves is healthy, as a whole and by service; anything else is not', async () => {
  using server = await openServer({ '': 'serving', 'shop.Cart': 'not-serving', 'shop.Pay': 'unknown' })
  assert.deepEqual(await probe(server.port, ''), { healthy: true, detail: 'gRPC serving' })
  assert.deepEqual(await probe(server.port, 'shop.Cart'), { healthy: false, detail: 'gRPC not-serving' })
  assert.deepEqual(await probe(server.port, 'shop.Pay'), { healthy: false, detail: 'gRPC unknown' })
  assert.deepEqual(await probe(server.port, 'shop.Else'), { healthy: false, detail: 'gRPC status not-found' })
})

test('a server without the service, and one that does not speak HTTP/2, are unhealthy', async () => {
  const bare = new grpc.Server()
  const port = await new Promise<number>(resolve => {
    bare.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (_error, bound) => resolve(bound))
  })
  assert.deepEqual(await probe(port, ''), { healthy: false, detail: 'gRPC status unimplemented' })
  bare.forceShutdown()
  const other = createServer(socket => {
    socket.on('error', () => {})
    socket.resume()
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => other.once('listening', resolve))
  const { healthy } = await probe((other.address() as AddressInfo).port, '')
  assert.equal(healthy, false)
  await new Promise(resolve => other.close(resolve))
})
