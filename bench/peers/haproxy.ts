import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts, Program } from '../processes.ts'
import { contestant } from './contestant.ts'
import type { Contestant, Scene } from './contestant.ts'

/** Its log goes to standard output, which is a file here: haproxy writes to no file itself. */
export async function startHaproxy(scene: Scene): Promise<Contestant> {
  const home = join(scene.folder, 'haproxy')
  await mkdir(home, { recursive: true })
  const [port = 0] = await freePorts(1)
  const configuration = join(home, 'haproxy.cfg')
  const routes = join(home, 'routes.map')
  const pem = join(home, 'front.pem')
  if (scene.tls !== undefined) {
    await writeFile(pem, (await readFile(scene.tls.chain, 'utf8')) + (await readFile(scene.tls.key, 'utf8')))
  }
  const clientPem = join(home, 'client.pem')
  const { mutual } = scene
  if (mutual !== undefined) {
    const { chain, key } = mutual.client
    await writeFile(clientPem, (await readFile(chain, 'utf8')) + (await readFile(key, 'utf8')))
  }
  const ssl =
    mutual === undefined
      ? ''
      : ` ssl crt ${clientPem} ca-file ${mutual.authority} verify required verifyhost ${mutual.name} sni str(${mutual.name})`
  const alpn = scene.clients === 'http2' ? 'h2' : 'http/1.1'
  const protocol = scene.endpoints === undefined || scene.endpoints === 'http1' ? '' : ' proto h2'
  await writeFile(routes, scene.routes.map(path => `${path}/ endpoints\n`).join(''))
  await writeFile(
    configuration,
    `global
  nbthread 1
  maxconn 8192
  log stdout format raw local0 info
defaults
  mode http
  log global
  option httplog
  option forwardfor
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
frontend front
  bind 127.0.0.1:${port} backlog 4096 ${scene.tls === undefined ? '' : `ssl crt ${pem} alpn ${alpn}`}
  unique-id-format %{+X}o%Ts%ci%cp%rt
  unique-id-header x-request-id
  http-request set-header x-forwarded-proto ${scene.tls === undefined ? 'http' : 'https'}
  use_backend %[path,map_beg(${routes})]
backend endpoints
  balance random(2)
  ${scene.endpointPorts.map((endpoint, index) => `server e${index} 127.0.0.1:${endpoint}${protocol}${ssl}`).join('\n  ')}
`,
  )
  const program = Program.start('haproxy', ['haproxy', '-db', '-f', configuration], {
    place: 'proxy',
    logPath: join(home, 'access.log'),
  })
  return contestant('haproxy', scene, port, program)
}
