import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, createServer, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { Pool } from 'undici'
import type { MeshCgroup } from '../../src/datapath/index.ts'
import { kernelSkip } from '../../src/kernel/ebpf/testing.ts'
import { enterCgroup, everythingTo, leaveCgroup, World } from '../kernel-http/world.ts'
import { freePort } from '../support/ports.ts'
import { programsSkip } from '../support/programs.ts'
import { until } from '../support/until.ts'

/** Programs as they are, on the kernel's HTTP path: each server answers with the path that it was asked for. */
const run = promisify(execFile)
const programs = ['nginx', 'apache2', 'wrk', 'curl', 'python3']
const skip = programsSkip(programs) || kernelSkip()

/** To each server: as many as a pool has by itself. */
const pooled = 16
const paths = ['/a', '/b/c', '/d?e=f', '/g']
let folder: string
let cgroup: MeshCgroup

before(async () => {
  if (skip !== false) return
  folder = await mkdtemp(join(tmpdir(), 'heddle-real-kernel-'))
  cgroup = enterCgroup()
})

after(async () => {
  if (skip !== false) return
  await leaveCgroup(cgroup)
  await rm(folder, { recursive: true })
})

/** In the mesh's cgroup, since this process is. */
async function start(port: number, program: string, args: readonly string[]): Promise<AsyncDisposable> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const answers = async (): Promise<boolean> => {
    try {
      await ask(port, '/', new Agent())
      return true
    } catch {
      assert.ok(child.exitCode === null, `${program} ended with ${child.exitCode}`)
      return false
    }
  }
  await until(answers)
  return {
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}

async function nginx(name: string, port: number, http: string, server: string): Promise<AsyncDisposable> {
  const home = join(folder, name)
  const file = join(folder, `${name}.conf`)
  await writeFile(
    file,
    `daemon off; worker_processes 1; pid ${home}.pid; error_log ${home}.log; events {}
http { access_log off; client_body_temp_path ${home}-body; proxy_temp_path ${home}-proxy;
  fastcgi_temp_path ${home}-fastcgi; uwsgi_temp_path ${home}-uwsgi; scgi_temp_path ${home}-scgi;
  ${http} server { listen 127.0.0.1:${port}; ${server} } }`,
  )
  return start(port, 'nginx', ['-e', `${home}.log`, '-c', file])
}

/** With files, one for each path, which it sends by sendfile(). */
async function apache(port: number): Promise<AsyncDisposable> {
  const home = join(folder, 'apache')
  const pages = join(home, 'pages')
  for (const path of paths) {
    const [file = ''] = path.split('?')
    await mkdir(join(pages, dirname(file)), { recursive: true })
    await writeFile(join(pages, file), path)
  }
  // Its processes are not root, who made this folder.
  await chmod(folder, 0o755)
  const file = join(home, 'apache.conf')
  const modules = ['mpm_event', 'authz_core'].map(
    name => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`,
  )
  await writeFile(
    file,
    `${modules.join('\n')}
User nobody
Group nogroup
ServerName shop
PidFile ${home}/pid
ErrorLog ${home}/log
Listen 127.0.0.1:${port}
DocumentRoot ${pages}
EnableSendfile On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
`,
  )
  return start(port, 'apache2', ['-D', 'FOREGROUND', '-d', home, '-f', file])
}

const pythonServer = `
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
  protocol_version = "HTTP/1.1"
  def do_GET(self):
    body = self.path.encode()
    self.send_response(200)
    self.send_header("Content-Length", str(len(body)))
    self.end_headers()
    self.wfile.write(body)
  def log_message(self, *args): pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
`

/** As uvicorn runs it: an application of ASGI. */
const asgiApplication = `
async def application(scope, receive, send):
  if scope["type"] != "http": return
  query = scope["query_string"]
  body = scope["raw_path"].split(b"?")[0] + (b"?" + query if query else b"")
  headers = [(b"content-length", str(len(body)).encode())]
  await send({"type": "http.response.start", "status": 200, "headers": headers})
  await send({"type": "http.response.body", "body": body})
`

async function uvicorn(port: number): Promise<AsyncDisposable> {
  await writeFile(join(folder, 'heddle_asgi.py'), asgiApplication)
  const shape = ['--host', '127.0.0.1', '--port', String(port), '--log-level', 'error', '--timeout-keep-alive', '60']
  // Debian's own Python, whose package it is.
  return start(port, '/usr/bin/python3', ['-m', 'uvicorn', '--app-dir', folder, ...shape, 'heddle_asgi:application'])
}

const servers: Readonly<Record<string, (port: number) => Promise<AsyncDisposable>>> = {
  'node:http': async port => {
    const server = createServer((asked, response) => response.end(asked.url))
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return {
      [Symbol.asyncDispose]: async () => {
        server.closeAllConnections()
        await new Promise(resolve => server.close(resolve))
      },
    }
  },
  nginx: port => nginx('server', port, 'keepalive_requests 1000000;', 'location / { return 200 $request_uri; }'),
  Apache: apache,
  Python: port => start(port, 'python3', ['-c', pythonServer, String(port)]),
  uvicorn,
}

async function ask(port: number, path: string, agent: Agent): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  request({ host: '127.0.0.1', port, path, agent }, resolve).on('error', reject).end()
  const response = await promise
  const body = await text(response)
  return response.statusCode === 200 ? body : `${response.statusCode} ${body}`
}

const pythonClient = `
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
for path in sys.argv[2:]:
  connection.request("GET", path)
  print(connection.getresponse().read().decode())
`

/** Each asks for all paths on one connection, and says what it got. */
const clients: Readonly<Record<string, (port: number) => Promise<readonly string[]>>> = {
  'node:http': async port => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const bodies: string[] = []
    for (const path of paths) bodies.push(await ask(port, path, agent))
    agent.destroy()
    return bodies
  },
  undici: async port => {
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 1 })
    const bodies: string[] = []
    for (const path of paths) bodies.push(await (await pool.request({ path, method: 'GET' })).body.text())
    await pool.close()
    return bodies
  },
  curl: async port => {
    const urls = paths.map(path => `http://127.0.0.1:${port}${path}`)
    const { stdout } = await run('curl', ['-sS', '-w', '\n', ...urls])
    return stdout.trim().split('\n')
  },
  Python: async port => {
    const { stdout } = await run('python3', ['-c', pythonClient, String(port), ...paths])
    return stdout.trim().split('\n')
  },
  'nginx as a proxy': async port => {
    const own = await freePort()
    const upstream = `upstream mesh { server 127.0.0.1:${port}; keepalive 4; } proxy_http_version 1.1; proxy_set_header Connection "";`
    await using _ = await nginx('client', own, upstream, 'location / { proxy_pass http://mesh; }')
    const bodies: string[] = []
    for (const path of paths) bodies.push(await ask(own, path, new Agent()))
    return bodies
  },
}

describe('real programs on the kernel path', { skip, timeout: 240_000 }, () => {
  // One path to all servers, since to open and close one takes longer than all that is asked of it. All but the first begin when it
  // is there, as in a mesh: Apache waits for its clients' first bytes otherwise.
  let world: World
  const opened = new AsyncDisposableStack()

  before(async () => {
    let number = 0
    for (const open of Object.values(servers)) {
      const port = await freePort()
      opened.use(await open(port))
      const first = { backendPort: port, pooled }
      if (++number === 1) world = opened.use(await World.open(cgroup, first))
      else world.agent.openPool({ number, address: '127.0.0.1', port, size: pooled })
    }
    await until(() => world.agent.sizes.pooled === number * pooled)
  })

  after(() => opened.disposeAsync())

  for (const [index, server] of Object.keys(servers).entries()) {
    describe(server, () => {
      before(() => world.update({ paths: [everythingTo(index + 1)] }))

      for (const [client, askAll] of Object.entries(clients)) {
        test(`asked by ${client}`, async () => {
          const { served, fallbacks } = world
          assert.deepEqual(await askAll(world.port), paths)
          const reasons = [...world.kernel.reasons()].join(' ')
          // nginx is asked once more, to see that it has begun.
          assert.ok(world.served - served >= paths.length, `${world.served - served}; ${reasons}`)
          assert.equal(world.fallbacks, fallbacks, reasons)
          await world.settle()
        })
      }

      test('asked by wrk', async () => {
        const before = world.served
        const { stdout } = await run('wrk', ['-t', '1', '-c', '8', '-d', '1s', `http://127.0.0.1:${world.port}/a`])
        assert.doesNotMatch(stdout, /Socket errors|Non-2xx/, stdout)
        const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0)
        const served = world.served - before
        assert.ok(requests > 0 && served >= requests, `${requests} requests, ${served} in the kernel`)
        await world.settle()
      })
    })
  }
})
