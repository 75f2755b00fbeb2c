import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts, Program } from '../processes.ts'
import type { Contestant, Scene } from './contestant.ts'

/** Its log goes to standard output, which is a file here: haproxy writes to no file itself. */
export async function startHaproxy(scene: Scene): Promise<Contestant> {
  const home = join(scene.folder, 'haproxy')
  await mkdir(home, { recursive: true })
  const [port = 0] = await freePorts(1)
  const configuration = join(home, 'haproxy.cfg')
  const routes = join(home, 'routes.map')
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
  bind 127.0.0.1:${port} backlog 4096
  unique-id-format %{+X}o%Ts%ci%cp%rt
  unique-id-header x-request-id
  http-request set-header x-forwarded-proto http
  use_backend %[path,map_beg(${routes})]
backend endpoints
  balance random(2)
  ${scene.endpointPorts.map((endpoint, index) => `server e${index} 127.0.0.1:${endpoint}`).join('\n  ')}
`,
  )
  const program = Program.start('haproxy', ['haproxy', '-db', '-f', configuration], {
    place: 'proxy',
    logPath: join(home, 'access.log'),
  })
  await program.answers(`http://127.0.0.1:${port}${scene.routes[0]}/small`)
  return { name: 'haproxy', host: '127.0.0.1', port, program }
}
