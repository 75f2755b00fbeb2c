import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { encodeHealthResponse, grpcHealthPath } from '../../src/codec/index.ts'
import type { ServingStatus } from '../../src/codec/index.ts'
import { GrpcClient } from '../support/grpc.ts'
import { fetchText, TestMesh } from './agent-process.ts'
import { gateway } from './resources.ts'

const bytes = (message: Buffer): Buffer => message

function unary(path: string): grpc.MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  }
}

/** A server that names itself, and says of its health what the test wants. */
class Endpoint implements Disposable {
  port = 0
  health: ServingStatus = 'serving'
  readonly #server = new grpc.Server()

  static async open(name: string): Promise<Endpoint> {
    const endpoint = new Endpoint()
    const echo: grpc.handleUnaryCall<Buffer, Buffer> = (_call, done) => done(null, Buffer.from(name))
    const check: grpc.handleUnaryCall<Buffer, Buffer> = (_call, done) =>
      done(null, encodeHealthResponse(endpoint.health))
    endpoint.#server.addService({ echo: unary('/test.Echo/Unary') }, { echo })
    endpoint.#server.addService({ check: unary(grpcHealthPath) }, { check })
    endpoint.port = await new Promise<number>((resolve, reject) => {
      const credentials = grpc.ServerCredentials.createInsecure()
      endpoint.#server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port)))
    })
    return endpoint
  }

  [Symbol.dispose](): void {
    this.#server.forceShutdown()
  }
}

// The port of the Service says nothing of itself: the GRPCRoute does.
const resources = (ports: readonly number[]): string => `
---
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: shop}
spec: {ports: [{port: 9080}]}
${ports
  .map(
    (port, index) => `---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: echo-${index}, namespace: shop}
spec: {service: echo, port: ${port}}
`,
  )
  .join('')}---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: echo, namespace: shop}
spec:
  parentRefs: [{name: web}]
  rules: [{matches: [{method: {service: test.Echo}}], backendRefs: [{name: echo, port: 9080}]}]
---
apiVersion: heddle.dev/v1alpha1
kind: BackendPolicy
metadata: {name: echo, namespace: shop}
spec:
  targetRefs: [{name: echo}]
  loadBalancing: {type: RoundRobin}
  panicThreshold: 0
  healthCheck: {grpc: {}, interval: 100ms, unhealthyThreshold: 1}
`

test('calls through an agent go to the endpoints that say that they serve', async t => {
  using first = await Endpoint.open('first')
  using second = await Endpoint.open('second')
  const mesh = await TestMesh.create(t)
  mesh.write('mesh.yaml', gateway(mesh.gatewayPort) + resources([first.port, second.port]))
  await mesh.up()
  using client = new GrpcClient(mesh.gatewayPort)
  const answers = async (): Promise<string> => {
    const ended = await Promise.all(Array.from({ length: 8 }, () => client.unary(Buffer.alloc(0))))
    return [...new Set(ended.map(({ message, details }) => message?.toString() ?? details))].toSorted().join(', ')
  }
  await mesh.until(async () => (await answers()) === 'first, second')
  second.health = 'not-serving'
  await mesh.until(async () => (await answers()) === 'first')
  const sick = (await mesh.status()).services.flatMap(({ endpoints }) => endpoints).find(({ healthy }) => !healthy)
  assert.equal(sick?.id, `127.0.0.1:${second.port}`)
  second.health = 'serving'
  await mesh.until(async () => (await answers()) === 'first, second')
  const metrics = await mesh.ask('/metrics')
  assert.match(metrics.body, /^rpc_server_requests_total\{.*route="GRPCRoute shop\/echo".*grpc_status="ok".*\} \d+$/m)
  const explained = await mesh.run(
    'explain',
    'POST',
    `http://x:${mesh.gatewayPort}/test.Echo/Unary`,
    '-H',
    'content-type:application/grpc',
  )
  assert.match(explained.stdout, /GRPCRoute shop\/echo rule 0[^]*backend shop\/echo:9080 100%/)
})

/** A server that serves gRPC and HTTP/1.1 at one port, told apart by their first byte, and nothing else by HTTP/2. */
async function openBoth(t: TestContext): Promise<number> {
  const plain = http.createServer((request, response) => response.end(`HTTP/${request.httpVersion} ${request.url}`))
  const calls = http2.createServer()
  calls.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    if (headers['content-type'] !== 'application/grpc') {
      stream.respond({ ':status': 415 }, { endStream: true })
      return
    }
    stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.resume().on('end', () => stream.end(Buffer.from('\0\0\0\0\u0004call')))
    stream.on('error', () => {})
  })
  const open = new Set<net.Socket>()
  const keep = (socket: net.Socket): net.Socket => {
    open.add(socket)
    return socket.on('error', () => {}).once('close', () => open.delete(socket))
  }
  const server = net.createServer(socket => {
    keep(socket).once('data', (first: Buffer) => {
      const target = first.toString('latin1', 0, 3) === 'PRI' ? calls : plain
      const inner = keep(net.connect((target.address() as AddressInfo).port, '127.0.0.1'))
      inner.write(first)
      socket.pipe(inner).pipe(socket)
    })
  })
  for (const one of [plain, calls, server]) {
    one.listen(0, '127.0.0.1')
    await once(one, 'listening')
  }
  t.after(() => {
    for (const socket of open) socket.destroy()
    for (const one of [plain, calls, server]) one.close()
  })
  return (server.address() as AddressInfo).port
}

test('a port that says nothing gets calls of gRPC by HTTP/2 and all else by HTTP/1.1, whatever the routes', async t => {
  const mesh = await TestMesh.create(t)
  const resource = `
---
apiVersion: v1
kind: Service
metadata: {name: both, namespace: shop}
spec: {ports: [{port: 9080}]}
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: both-1, namespace: shop}
spec: {service: both, port: ${await openBoth(t)}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: web}]
  hostnames: [web.example]
  rules: [{backendRefs: [{name: both, port: 9080}]}]
`
  const grpcRoute = `
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: api, namespace: shop}
spec:
  parentRefs: [{name: web}]
  hostnames: [api.example]
  rules: [{backendRefs: [{name: both, port: 9080}]}]
`
  mesh.write('mesh.yaml', gateway(mesh.gatewayPort) + resource)
  await mesh.up()
  const address = (await mesh.status()).services.find(({ name }) => name === 'both')?.address ?? ''
  const [host = '', port = ''] = address.split(':')
  const call = async (target: number | string, authority: string): Promise<string> => {
    using client = new GrpcClient(target, { 'grpc.default_authority': authority })
    const { message, details } = await client.unary(Buffer.from('x'))
    return message?.toString() ?? details
  }
  const expectAll = async (): Promise<void> => {
    assert.equal((await mesh.get('/a', false, { host: 'web.example' })).body, 'HTTP/1.1 /a')
    assert.equal(await call(mesh.gatewayPort, 'web.example'), 'call')
    assert.equal((await fetchText({ host, port: Number(port), path: '/a', agent: false })).body, 'HTTP/1.1 /a')
    assert.equal(await call(address, 'both'), 'call')
  }
  await expectAll()
  mesh.write('grpc.yaml', grpcRoute)
  await mesh.until(async () => (await call(mesh.gatewayPort, 'api.example')) === 'call')
  await expectAll()
})
