import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { closedEgress, endpoint, member, MemberMesh, serviceOf } from './member-mesh.ts'
import { serve } from './world.ts'

/**
 * A mesh to restart: Services `db` of TCP, which the kernel leads and whose endpoint says `endpoint`, and `web` of HTTP,
 * which goes through the proxy and says `hello`; a member `client` that may ask both, and `closed` that may ask neither.
 */
export async function twoServices(t: TestContext): Promise<MemberMesh> {
  const db = await serve(t, 'endpoint')
  const web = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1')
  await once(web, 'listening')
  t.after(() => {
    web.closeAllConnections()
    web.close()
  })
  return MemberMesh.create(t, [
    serviceOf('db', '{port: 9080, appProtocol: tcp}'),
    serviceOf('web', '{port: 9080}'),
    endpoint('db', db.port),
    endpoint('web', (web.address() as AddressInfo).port),
    member('client'),
    member('closed'),
    closedEgress('closed'),
  ])
}

export async function urlOf(each: MemberMesh, name: 'db' | 'web'): Promise<string> {
  const { services } = await each.mesh.status()
  return `http://${services.find(({ key }) => key === `shop/${name}:9080`)?.address ?? ''}/`
}
