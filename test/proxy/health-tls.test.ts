import assert from 'node:assert/strict'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { TLSSocket } from 'node:tls'
import { silentLogger, systemClock } from '../../src/core/index.ts'
import { defaultBackendSettings } from '../../src/model/index.ts'
import type { Backend, HealthCheck } from '../../src/model/index.ts'
import { HealthChecker } from '../../src/proxy/index.ts'
import { TestAuthority } from '../support/certificates.ts'
import { buildEndpoint } from '../support/proxy.ts'
import { tlsTo } from '../support/backend-tls.ts'

const check: HealthCheck = {
  kind: 'HTTP',
  path: '/healthz',
  host: '',
  expected: [[200, 200]],
  intervalMs: 60_000,
  timeoutMs: 5_000,
  healthyThreshold: 1,
  unhealthyThreshold: 1,
}

test('a check by HTTP asks by TLS where the endpoint has to be reached so, and tells of a wrong name', async t => {
  using authority = new TestAuthority()
  const { chain, key } = authority.issue({ names: ['db.example'] })
  const asked: string[] = []
  const server = https.createServer({ cert: chain, key }, (request, response) => {
    asked.push(`${request.url} ${request.socket instanceof TLSSocket ? 'by TLS' : 'plain'}`)
    response.end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const backend = (service: string, name: string): Backend => ({
    key: `shop/${service}:443`,
    namespace: 'shop',
    service,
    port: 443,
    portName: '',
    protocol: 'http1',
    tls: tlsTo(name, authority),
    endpoints: [buildEndpoint(port)],
    settings: { ...defaultBackendSettings, healthCheck: check },
  })
  const results = new Map<string, string>()
  const { promise, resolve } = Promise.withResolvers<void>()
  using checker = new HealthChecker({
    clock: systemClock,
    logger: silentLogger,
    onChange: (backendKey, _endpoint, healthy, detail) => {
      results.set(backendKey, `${healthy ? 'up' : 'down'} ${detail}`)
      if (results.size === 2) resolve()
    },
  })
  checker.update([backend('right', 'db.example'), backend('wrong', 'other.example')])
  await promise
  assert.equal(results.get('shop/right:443'), 'up HTTP 200')
  assert.match(results.get('shop/wrong:443') ?? '', /^down .* is for db\.example, not for other\.example$/)
  assert.deepEqual(asked, ['/healthz by TLS'])
})
