import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts, Program } from '../processes.ts'
import { contestant } from './contestant.ts'
import type { Contestant, Scene } from './contestant.ts'

/** The proxy of nghttp2. It has no metrics and makes no request ids. */
export async function startNghttpx(scene: Scene): Promise<Contestant> {
  const home = join(scene.folder, 'nghttpx')
  await mkdir(home, { recursive: true })
  const [port = 0] = await freePorts(1)
  const { tls, endpoints = 'http1', endpointPorts, routes } = scene
  const protocol = endpoints === 'http1' ? 'http/1.1' : 'h2'
  // It wants one for every path as well.
  const patterns = [...routes.map(path => `${path}/`), '/'].join(':')
  const lines = [
    'workers=1',
    `frontend=127.0.0.1,${port}${tls === undefined ? ';no-tls' : ''}`,
    ...(tls === undefined ? [] : [`private-key-file=${tls.key}`, `certificate-file=${tls.chain}`]),
    ...endpointPorts.map(endpoint => `backend=127.0.0.1,${endpoint};${patterns};proto=${protocol}`),
    'backend-keep-alive-timeout=600s',
    'add-x-forwarded-for=yes',
    'no-ocsp=yes',
    `accesslog-file=${home}/access.log`,
    // What the others write, as far as it knows.
    'accesslog-format=$time_iso8601 $remote_addr:$remote_port "$request" $status $body_bytes_sent $request_time ' +
      '$backend_host:$backend_port "$http_user_agent"',
    `errorlog-file=${home}/error.log`,
  ]
  const configuration = join(home, 'nghttpx.conf')
  await writeFile(configuration, `${lines.join('\n')}\n`)
  const program = Program.start('nghttpx', ['nghttpx', `--conf=${configuration}`], {
    place: 'proxy',
    logPath: join(home, 'output'),
  })
  return contestant('nghttpx', scene, port, program)
}
