import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { Http2Client } from '../support/http2-client.ts'
import { ask, Http2Server } from '../support/http2-server.ts'
import { startProxy } from '../support/proxy.ts'
import type { TestProxy } from '../support/proxy.ts'

interface Case {
  readonly method: string
  /** Undefined for a request without the field. */
  readonly forwards: string | undefined
  readonly status: number
  /** What the endpoint got; undefined where it was not asked. */
  readonly got?: string
  readonly reason?: string
}

const cases: readonly Case[] = [
  { method: 'OPTIONS', forwards: undefined, status: 200, got: 'none' },
  { method: 'OPTIONS', forwards: '10', status: 200, got: '9' },
  { method: 'OPTIONS', forwards: '1', status: 200, got: '0' },
  { method: 'OPTIONS', forwards: '0', status: 204, reason: 'max-forwards' },
  { method: 'OPTIONS', forwards: '000', status: 204, reason: 'max-forwards' },
  { method: 'OPTIONS', forwards: '9'.repeat(400), status: 200, got: '254' },
  { method: 'OPTIONS', forwards: '-1', status: 400, reason: 'bad-request' },
  { method: 'OPTIONS', forwards: '1, 0', status: 400, reason: 'bad-request' },
  { method: 'TRACE', forwards: '2', status: 200, got: '1' },
  { method: 'TRACE', forwards: '0', status: 501, reason: 'method-not-supported' },
  { method: 'GET', forwards: '0', status: 200, got: '0' },
]

async function endpointByHttp1(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = http.createServer((request, response) => response.end(request.headers['max-forwards'] ?? 'none'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function endpointByHttp2(): Promise<Http2Server> {
  return Http2Server.start((stream, headers) => {
    stream.respond({ ':status': 200 })
    stream.end(headers['max-forwards'] ?? 'none')
  })
}

async function told(proxy: TestProxy, version: string, { method, forwards }: Case): Promise<Omit<Case, 'method'>> {
  const headers = forwards === undefined ? {} : { 'max-forwards': forwards }
  const what = { method, headers }
  let answer
  if (version === 'HTTP/2') {
    await using client = await Http2Client.open(proxy.port)
    answer = await client.ask(what)
  } else {
    answer = await ask(proxy.port, what)
  }
  const reason = answer.headers['x-heddle-reason']
  const { status } = answer
  return reason === undefined
    ? { forwards, status, got: String(answer.body) }
    : { forwards, status, reason: String(reason) }
}

suite('Max-Forwards is counted for OPTIONS and TRACE alone, and at 0 the endpoint is not asked', () => {
  for (const client of ['HTTP/1.1', 'HTTP/2']) {
    for (const [endpoint, open] of [
      ['HTTP/1.1', endpointByHttp1],
      ['HTTP/2', endpointByHttp2],
    ] as const) {
      test(`a client by ${client}, an endpoint by ${endpoint}`, async () => {
        await using server = await open()
        const protocol = endpoint === 'HTTP/2' ? 'h2c' : 'http1'
        const backends = { 'a:80': { ports: [server.port], protocol } } as const
        await using proxy = await startProxy({ rules: [{ backends: ['a:80'] }], backends })
        for (const each of cases) {
          const { method, ...wanted } = each
          assert.deepEqual(await told(proxy, client, each), wanted, `${method} ${each.forwards}`)
        }
      })
    }
  }
})
