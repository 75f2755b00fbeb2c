import assert from 'node:assert/strict'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import {
  gateway,
  GatewayBed,
  gatewayClass,
  grant,
  route,
  wellGateway,
  wellListener,
  wellParent,
} from '../support/gateway.ts'
import { to } from './cases.ts'
import { freePort } from '../support/ports.ts'

// What the conformance suite leaves to implementations, or can't set up: sockets that are taken or shared, older versions.

const [v1, v2] = ['infra/v1', 'infra/v2'] as const

describe('Gateway on a port that somebody else has', () => {
  it('says so, serves its other listeners, and takes the port once it is free', async () => {
    await using bed = await GatewayBed.open(v1)
    const other = net.createServer()
    await new Promise<void>(resolve => other.listen(0, bed.address, resolve))
    const taken = (other.address() as AddressInfo).port
    const free = await freePort()
    await bed.put(
      'gateway',
      gateway('infra/web', [
        `{name: taken, port: ${taken}, protocol: HTTP}`,
        `{name: free, port: ${free}, protocol: HTTP}`,
      ]),
      route('infra/r', { parents: 'web', rules: [to('v1')] }),
    )
    const well = `${wellListener} routes=1 kinds=HTTPRoute,GRPCRoute`
    assert.deepEqual(bed.listeners('infra/web'), {
      taken: well.replace('Programmed=True/Programmed', 'Programmed=False/PortUnavailable'),
      free: well,
    })
    assert.equal(bed.conditions('Gateway infra/web'), wellGateway)
    await bed.expect(free, [['/', v1]])
    await new Promise<void>(resolve => other.close(() => resolve()))
    await bed.put('anything', gatewayClass.replace('name: test', 'name: another'))
    assert.deepEqual(bed.listeners('infra/web'), { taken: well, free: well })
    await bed.expect(taken, [['/', v1]])
  })
})

describe('Gateways on one address and port', () => {
  it('share the socket by hostname; of one hostname the older Gateway has it', async () => {
    await using bed = await GatewayBed.open(v1, v2)
    const port = await freePort()
    const aged = (text: string, year: number): string =>
      text.replace('metadata: {', `metadata: {creationTimestamp: '${year}-01-01T00:00:00Z', `)
    const http = `{name: http, port: ${port}, protocol: HTTP}`
    await bed.put(
      'older',
      aged(gateway('infra/older', [http]), 2025),
      route('infra/older', { parents: 'older', rules: [to('v1')] }),
    )
    await bed.put(
      'newer',
      aged(gateway('infra/newer', [http, `{name: own, port: ${port}, protocol: HTTP, hostname: own.example}`]), 2026),
      route('infra/newer', { parents: 'newer', rules: [to('v2')] }),
    )
    const well = `${wellListener} routes=1 kinds=HTTPRoute,GRPCRoute`
    assert.deepEqual(bed.listeners('infra/older'), { http: well })
    assert.deepEqual(bed.listeners('infra/newer'), {
      http: 'Accepted=False/PortUnavailable Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs Conflicted=False/NoConflicts routes=1 kinds=HTTPRoute,GRPCRoute',
      own: well,
    })
    await bed.expect(port, [
      ['any.example/', v1],
      ['own.example/', v2],
    ])
    await bed.remove('older')
    assert.deepEqual(bed.listeners('infra/newer'), { http: well, own: well })
    await bed.expect(port, [
      ['any.example/', v2],
      ['own.example/', v2],
    ])
  })
})

describe('Resources of version v1beta1', () => {
  it('are served like those of v1', async () => {
    await using bed = await GatewayBed.open('backend/v1')
    const port = await freePort()
    const older = (text: string): string =>
      text.replace('gateway.networking.k8s.io/v1\n', 'gateway.networking.k8s.io/v1beta1\n')
    await bed.put(
      'all',
      older(gateway('infra/web', [`{name: http, port: ${port}, protocol: HTTP}`])),
      older(
        route('infra/r', {
          parents: 'web',
          rules: ['backendRefs: [{name: v1, namespace: backend, port: SERVICE_PORT}]'],
        }),
      ),
      older(
        grant(
          'backend/g',
          '{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: infra}',
          "{group: '', kind: Service}",
        ),
      ),
    )
    await bed.put('class', older(gatewayClass))
    assert.deepEqual(bed.source.current.problems, [])
    assert.equal(bed.conditions('Gateway infra/web'), wellGateway)
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
    await bed.expect(port, [['/', 'backend/v1']])
  })
})
