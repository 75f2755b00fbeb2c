import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gateway, GatewayBed, namespace, route, wellListener } from '../support/gateway.ts'
import { prefix, to } from './cases.ts'
import { freePort } from '../support/ports.ts'

// Tests of the Gateway API's conformance suite, v1.6, by their names there: traffic
// through listeners that ListenerSets add. Their conditions are tested where they are decided.

const toSet = (name: string, more = ''): string =>
  `{group: gateway.networking.k8s.io, kind: ListenerSet, name: ${name}, namespace: infra${more}}`

function listenerSet(id: string, ...listeners: readonly string[]): string {
  const [home = '', name = ''] = id.split('/')
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: ${name}, namespace: ${home}}
spec: {parentRef: {name: web, namespace: infra}, listeners: [${listeners.join(', ')}]}
`
}

async function openWeb(): Promise<{ bed: GatewayBed; port: number; http: (name: string, hostname: string) => string }> {
  const bed = await GatewayBed.open('infra/v1', 'infra/v2')
  const port = await freePort()
  const http = (name: string, hostname: string): string =>
    `{name: ${name}, port: ${port}, protocol: HTTP, hostname: ${hostname}}`
  const own = http('own', 'own.example')
  await bed.put('gateway', gateway('infra/web', [own], 'allowedListeners: {namespaces: {from: All}}'))
  return { bed, port, http }
}

const [v1, v2] = ['infra/v1', 'infra/v2'] as const
const at = (host: string, path = '/'): string => `${host}${path}`

describe('ListenerSetHTTPRouting', () => {
  it('sends by the hostname of the entry that a route is attached to', async () => {
    const { bed, port, http } = await openWeb()
    await using _ = bed
    await bed.put('set', listenerSet('infra/extra', http('a', 'a.example'), http('b', 'b.example')))
    await bed.put(
      'routes',
      route('infra/own', { parents: 'web', rules: [to('v1')] }),
      route('infra/all', { parents: toSet('extra'), rules: [`matches: [{${prefix('/all')}}], ${to('v1')}`] }),
      route('infra/one', { parents: toSet('extra', ', sectionName: b'), rules: [to('v2')] }),
    )
    assert.deepEqual(bed.listeners('infra/web'), { own: `${wellListener} routes=1 kinds=HTTPRoute,GRPCRoute` })
    await bed.expect(port, [
      [at('own.example'), v1],
      [at('a.example', '/all'), v1],
      [at('a.example'), 404],
      [at('b.example', '/all/x'), v1],
      [at('b.example'), v2],
      [at('c.example'), 404],
    ])
    await bed.remove('set')
    await bed.expect(port, [
      [at('own.example'), v1],
      [at('b.example'), 404],
    ])
  })

  it('an entry of its own port is a socket of its own', async () => {
    const { bed } = await openWeb()
    await using _ = bed
    const other = await freePort()
    await bed.put('set', listenerSet('infra/extra', `{name: a, port: ${other}, protocol: HTTP}`))
    await bed.put('route', route('infra/r', { parents: toSet('extra'), rules: [to('v2')] }))
    await bed.expect(other, [[at('anything.example'), v2]])
  })
})

describe('ListenerSetAllowedRoutesNamespaces', () => {
  it('routes of other namespaces get nothing from an entry of its own namespace', async () => {
    const { bed, port, http } = await openWeb()
    await using _ = bed
    await bed.put('names', namespace('team'))
    await bed.put('set', listenerSet('infra/extra', http('same', 'same.example')))
    await bed.put(
      'routes',
      route('infra/near', { parents: toSet('extra'), rules: [`matches: [{${prefix('/near')}}], ${to('v1')}`] }),
      route('team/far', { parents: toSet('extra'), rules: [`matches: [{${prefix('/far')}}], ${to('v2')}`] }),
    )
    await bed.expect(port, [
      [at('same.example', '/near'), v1],
      [at('same.example', '/far'), 404],
    ])
  })
})

describe('ListenerSetDualParentRefIndependence', () => {
  it('a route on both is reached through both, one with a wrong section only where it is right', async () => {
    const { bed, port, http } = await openWeb()
    await using _ = bed
    await bed.put('set', listenerSet('infra/extra', http('entry', 'set.example')))
    await bed.put(
      'routes',
      route('infra/both', {
        parents: `{name: web}, ${toSet('extra')}`,
        rules: [`matches: [{${prefix('/dualboth')}}], ${to('v1')}`],
      }),
      route('infra/one', {
        parents: `{name: web, sectionName: entry}, ${toSet('extra', ', sectionName: entry')}`,
        rules: [`matches: [{${prefix('/dualone')}}], ${to('v2')}`],
      }),
    )
    await bed.expect(port, [
      [at('own.example', '/dualboth'), v1],
      [at('set.example', '/dualboth'), v1],
      [at('set.example', '/dualone'), v2],
      [at('own.example', '/dualone'), 404],
    ])
  })
})
