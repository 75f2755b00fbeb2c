import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gateway, GatewayBed, route, wellGateway, wellListener, wellParent } from '../support/gateway.ts'
import { location, redirect, replacePath, replacePrefix, rewrite, to, under } from './cases.ts'
import { freePort } from '../support/ports.ts'

// Tests that the Gateway API's conformance suite got after v1.6.1, and one that counts in no profile, by their names there.

const v1 = 'infra/v1'

async function openWeb(rules: readonly string[]): Promise<{ bed: GatewayBed; port: number }> {
  const bed = await GatewayBed.open(v1)
  const port = await freePort()
  await bed.put('gateway', gateway('infra/web', [`{name: http, port: ${port}, protocol: HTTP}`]))
  await bed.put('route', route('infra/r', { parents: 'web', rules }))
  assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
  return { bed, port }
}

const filtered = (filter: string): string => `backendRefs: [{name: v1, port: SERVICE_PORT, filters: [${filter}]}]`

describe('GatewayNameMaximumLength', () => {
  it('a Gateway with a name of 253 characters serves like any other', async () => {
    await using bed = await GatewayBed.open(v1)
    const name = `web-${'a'.repeat(249)}`
    const port = await freePort()
    await bed.put(
      'gateway',
      gateway(`infra/${name}`, [`{name: http, port: ${port}, protocol: HTTP}`]),
      route('infra/r', { parents: name, rules: [to('v1')] }),
    )
    assert.equal(bed.conditions(`Gateway infra/${name}`), wellGateway)
    await bed.expect(port, [['/', v1]])
  })
})

describe('HTTPRouteBackendRequestRedirect', () => {
  it('the redirect of a chosen backend answers', async () => {
    const { bed, port } = await openWeb([
      `${under('/full')}, ${filtered(redirect(replacePath('/redirected-full')))}`,
      `${under('/prefix')}, ${filtered(redirect(replacePrefix('/redirected-prefix')))}`,
    ])
    await using _ = bed
    await bed.expect(port, [
      ['/full/original', location(`http://example.net:${port}/redirected-full`)],
      ['/prefix/original', location(`http://example.net:${port}/redirected-prefix/original`)],
    ])
  })
})

describe('HTTPRouteBackendURLRewrite', () => {
  it('the endpoint sees what the rewrite of its backend says', async () => {
    const { bed, port } = await openWeb([
      `${under('/full')}, ${filtered(rewrite(replacePath('/rewritten-full')))}`,
      `${under('/prefix')}, ${filtered(rewrite(replacePrefix('/rewritten-prefix')))}`,
      `${under('/host')}, ${filtered(rewrite('hostname: backend.example'))}`,
    ])
    await using _ = bed
    await bed.expect(port, [
      ['/full/original', { by: v1, path: '/rewritten-full', host: 'example.net' }],
      ['/prefix/original', { by: v1, path: '/rewritten-prefix/original' }],
      ['/host/original', { by: v1, path: '/host/original', host: 'backend.example' }],
    ])
  })
})

describe('HTTPRouteRetryWithTimeouts', () => {
  it('a try that takes too long is made again, as long as the whole has time', async () => {
    const { bed, port } = await openWeb([
      `${under('/try')}, retry: {attempts: 2, backoff: 1ms}, timeouts: {backendRequest: 400ms}, ${to('v1')}`,
      `${under('/whole')}, retry: {attempts: 5, codes: [500], backoff: 1ms}, timeouts: {request: 5s, backendRequest: 4s}, ${to('v1')}`,
      `${under('/short')}, retry: {attempts: 5, codes: [500], backoff: 1ms}, timeouts: {request: 300ms, backendRequest: 200ms}, ${to('v1')}`,
    ])
    await using _ = bed
    await bed.expect(port, [
      ['/try?slow=2&key=a', v1],
      ['/try?slow=3&key=b', 504],
      ['/whole?fail=4&code=500&key=c', v1],
      ['/short?slow=9&key=d', 504],
    ])
  })
})

describe('HTTPRouteDisallowedKind', () => {
  it('a listener of another protocol does not admit HTTPRoutes', async () => {
    await using bed = await GatewayBed.open(v1)
    const port = await freePort()
    await bed.put(
      'gateway',
      gateway('infra/web', [
        '{name: tls, port: 8443, protocol: TLS, tls: {mode: Passthrough}, allowedRoutes: {kinds: [{kind: TLSRoute}]}}',
        `{name: http, port: ${port}, protocol: HTTP}`,
      ]),
      route('infra/r', { parents: '{name: web, sectionName: tls}', rules: [to('v1')] }),
    )
    assert.deepEqual(bed.parents('infra/r'), {
      'infra/web/tls': 'Accepted=False/NotAllowedByListeners ResolvedRefs=True/ResolvedRefs',
    })
    assert.equal(bed.listeners('infra/web')['http'], `${wellListener} routes=0 kinds=HTTPRoute,GRPCRoute`)
    await bed.expect(port, [['/', 404]])
  })
})
