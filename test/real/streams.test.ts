import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { execFileSync } from 'node:child_process'
import { TestMesh } from '../mesh/agent-process.ts'
import { TestAuthority } from '../support/certificates.ts'
import { tlsSecret } from '../support/gateway.ts'
import { TestNginx } from '../support/nginx.ts'
import { folderOf, run } from '../support/programs.ts'
import { named, TcpServer } from '../support/streams.ts'
import { until } from '../support/until.ts'
import { freePort } from '../support/ports.ts'

// A whole agent with two workers between programs that nobody here wrote.

interface Program extends AsyncDisposable {
  readonly process: ChildProcess
  readonly directory: string
}

interface ProgramOptions {
  readonly uid?: number
  /** What is written into its directory first, by name. */
  readonly files?: Readonly<Record<string, string>>
}

/** Starts a server in a directory of its own; `isUp` says when it serves. */
async function program(
  command: (directory: string) => readonly string[],
  isUp: () => Promise<boolean>,
  { uid, files = {} }: ProgramOptions = {},
): Promise<Program> {
  const directory = mkdtempSync(path.join(tmpdir(), 'heddle-real-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(directory, name), text)
  if (uid !== undefined) chownSync(directory, uid, uid)
  const [name = '', ...args] = command(directory)
  const child = spawn(name, args, {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    rmSync(directory, { recursive: true, force: true })
  }
  while (!(await isUp())) {
    if (child.exitCode !== null) {
      await stop()
      throw new Error(`${name} ended: ${output}`)
    }
  }
  return { process: child, directory, [Symbol.asyncDispose]: stop }
}

async function connects(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  const isOpen = await new Promise<boolean>(resolve =>
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
  )
  socket.destroy()
  return isOpen
}

interface BackendSketch {
  readonly ports: readonly number[]
  readonly protocol?: 'UDP'
  /** Fields of a BackendPolicy for it. */
  readonly policy?: string
}

function backend(name: string, { ports, protocol, policy }: BackendSketch): string {
  const carrier = protocol === undefined ? 'appProtocol: tcp' : 'protocol: UDP'
  const slices = ports.map(
    (port, at) => `
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-${at}, namespace: shop, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{name: main, port: ${port}${protocol === undefined ? '' : ', protocol: UDP'}}]
endpoints: [{addresses: ['127.0.0.1'], conditions: {ready: true}}]`,
  )
  const policies =
    policy === undefined
      ? ''
      : `
---
apiVersion: heddle.dev/v1alpha1
kind: BackendPolicy
metadata: {name: ${name}, namespace: shop}
spec: {targetRefs: [{name: ${name}}], ${policy}}`
  return `
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {ports: [{name: main, port: 1000, ${carrier}}]}${slices.join('')}${policies}`
}

/** @param listener  in YAML's flow style, without name and port */
function gateway(port: number, listener: string, annotations = ''): string {
  return `
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: l4, namespace: shop, annotations: {${annotations}}}
spec: {gatewayClassName: heddle, listeners: [{name: main, port: ${port}, ${listener}}]}`
}

function route(kind: string, backends: string, more = ''): string {
  return `
---
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: {name: main, namespace: shop}
spec: {parentRefs: [{name: l4}], ${more} rules: [{backendRefs: [${backends}]}]}`
}

const gatewayClass = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: heddle}
spec: {controllerName: heddle.dev/gateway-controller}`

async function up(t: TestContext, text: (mesh: TestMesh) => string): Promise<TestMesh> {
  const mesh = await TestMesh.create(t)
  mesh.write('mesh.yaml', gatewayClass + text(mesh))
  await mesh.up()
  return mesh
}

async function redis(port: number): Promise<Program> {
  const args = ['redis-server', '--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--daemonize', 'no']
  return program(
    directory => [...args, '--dir', directory],
    () => connects(port),
  )
}

describe('streams with programs of others', { timeout: 120_000 }, () => {
  it('Redis: a value is set and read, a subscription is told, and the session survives a reload', async t => {
    const port = await freePort()
    await using _server = await redis(port)
    const mesh = await up(
      t,
      ({ gatewayPort }) =>
        gateway(gatewayPort, 'protocol: TCP') +
        route('TCPRoute', '{name: cache, port: 1000}') +
        backend('cache', { ports: [port] }),
    )
    const cli = (...words: string[]) => run('redis-cli', ['-h', '127.0.0.1', '-p', `${mesh.gatewayPort}`, ...words])
    assert.equal((await cli('set', 'greeting', 'hello')).out, 'OK\n')
    assert.equal((await cli('get', 'greeting')).out, 'hello\n')
    const large = 'x'.repeat(1024 * 1024)
    assert.equal((await run('redis-cli', ['-p', `${mesh.gatewayPort}`, '-x', 'set', 'large'], large)).out, 'OK\n')
    assert.equal((await cli('strlen', 'large')).out, `${large.length}\n`)

    const subscriber = spawn('redis-cli', ['-p', `${mesh.gatewayPort}`, 'subscribe', 'news'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    t.after(() => subscriber.kill('SIGKILL'))
    let heard = ''
    subscriber.stdout.setEncoding('utf8').on('data', (text: string) => (heard += text))
    await until(() => heard.includes('subscribe'))
    const before = (await mesh.status()).agent.configVersion
    mesh.write(
      'more.yaml',
      `{apiVersion: v1, kind: Service, metadata: {name: other, namespace: shop}, spec: {ports: [{port: 1}]}}`,
    )
    await mesh.until(async () => (await mesh.status()).agent.configVersion > before)
    await cli('publish', 'news', 'still-there')
    await until(() => heard.includes('still-there'))

    const explained = await mesh.run('explain', 'TCP', `127.0.0.1:${mesh.gatewayPort}`)
    assert.equal(explained.code, 0)
    assert.match(
      explained.stdout,
      /✓ TCPRoute shop\/main\n.*backend shop\/cache:1000 100%, LeastRequest\n.*endpoint 127\.0\.0\.1:\d+ healthy/,
    )
    const routes = await mesh.run('routes', 'shop/main')
    assert.match(routes.stdout, /TCPRoute shop\/main/)
    assert.match((await mesh.run('status')).stdout, /TCPRoute shop\/main +\* +Gateway shop\/l4\/main/)
    const { body } = await mesh.ask('/metrics')
    assert.match(
      body,
      /heddle_stream_sessions_total\{virtual_host="Gateway shop\/l4\/main",route="TCPRoute shop\/main",backend="shop\/cache:1000"\} [1-9]/,
    )
  })

  it('PostgreSQL: the server is asked by psql, in plain text and by TLS inside the session', async t => {
    const bin = folderOf('postgres')
    const port = await freePort()
    const uid = process.getuid?.() === 0 ? Number(execFileSync('id', ['-u', 'postgres']).toString()) : undefined
    const script = `
set -e
'${bin}/initdb' -D data -U test -A trust >initdb.log
openssl req -x509 -newkey rsa:2048 -nodes -keyout data/server.key -out data/server.crt -days 2 -subj /CN=db 2>openssl.log
chmod 600 data/server.key
exec '${bin}/postgres' -D data -p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c ssl=on`
    const isUp = async (): Promise<boolean> => {
      const args = ['-h', '127.0.0.1', '-p', `${port}`, '-U', 'test', '-d', 'postgres', '-c', 'select 1']
      return (await run('psql', args)).code === 0
    }
    await using server = await program(() => ['sh', '-c', script], isUp, uid === undefined ? {} : { uid })
    assert.ok(readFileSync(path.join(server.directory, 'data', 'PG_VERSION'), 'utf8').length > 0)
    const mesh = await up(
      t,
      ({ gatewayPort }) =>
        gateway(gatewayPort, 'protocol: TCP') +
        route('TCPRoute', '{name: db, port: 1000}') +
        backend('db', { ports: [port] }),
    )
    for (const [mode, isTls] of [
      ['disable', 'f'],
      ['require', 't'],
    ] as const) {
      const target = `host=127.0.0.1 port=${mesh.gatewayPort} user=test dbname=postgres sslmode=${mode}`
      const query = `select ssl, (select sum(n) from generate_series(1, 100000) n) from pg_stat_ssl where pid = pg_backend_pid()`
      const { out, errors } = await run('psql', ['-Atc', query, target])
      assert.equal(out, `${isTls}|5000050000\n`, errors)
    }
    const rows = await run('psql', [
      '-Atc',
      "select repeat('y', 1000) from generate_series(1, 20000)",
      `host=127.0.0.1 port=${mesh.gatewayPort} user=test dbname=postgres`,
    ])
    assert.equal(rows.out.length, 20_000 * 1_001)
  })

  it('DNS: dig asks dnsmasq by UDP, and by many ports at once', async t => {
    const port = await freePort()
    const dig = async (to: number, name: string): Promise<string> =>
      (await run('dig', ['+short', '+tries=1', '+time=3', '-p', `${to}`, '@127.0.0.1', name])).out.trim()
    const args = ['--keep-in-foreground', '--no-resolv', '--no-hosts', '--conf-file=/dev/null', '--bind-interfaces']
    const more = [
      '--listen-address=127.0.0.1',
      `--port=${port}`,
      '--address=/shop.test/192.0.2.17',
      '--user=root',
      '--pid-file=',
    ]
    await using _server = await program(
      () => ['dnsmasq', ...args, ...more],
      async () => (await dig(port, 'a.shop.test')) === '192.0.2.17',
    )
    const mesh = await up(
      t,
      ({ gatewayPort }) =>
        gateway(gatewayPort, 'protocol: UDP') +
        route('UDPRoute', '{name: dns, port: 1000}') +
        backend('dns', { ports: [port], protocol: 'UDP' }),
    )
    assert.equal(await dig(mesh.gatewayPort, 'www.shop.test'), '192.0.2.17')
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => dig(mesh.gatewayPort, `n${at}.shop.test`)))
    assert.deepEqual(new Set(answers), new Set(['192.0.2.17']))
    const explained = await mesh.run('explain', 'UDP', `127.0.0.1:${mesh.gatewayPort}`)
    assert.match(explained.stdout, /✓ UDPRoute shop\/main/)
  })

  it('openssl s_client: TLS is passed through by server name, and ends here on the other listener', async t => {
    using authority = new TestAuthority()
    const inner = authority.issueFiles({ names: ['through.example'] })
    const port = await freePort()
    const args = ['s_server', '-accept', `127.0.0.1:${port}`, '-cert', inner.chain, '-key', inner.key, '-rev', '-quiet']
    await using _server = await program(
      () => ['openssl', ...args],
      () => connects(port),
    )
    await using plain = await TcpServer.start(named('plain'))
    const mesh = await up(
      t,
      ({ gatewayPort }) => `
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: l4, namespace: shop}
spec:
  gatewayClassName: heddle
  listeners:
  - {name: through, port: ${gatewayPort}, protocol: TLS, hostname: through.example, tls: {mode: Passthrough}}
  - {name: end, port: ${gatewayPort}, protocol: TLS, hostname: end.example, tls: {mode: Terminate, certificateRefs: [{name: end}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: through, namespace: shop}
spec: {parentRefs: [{name: l4, sectionName: through}], hostnames: [through.example], rules: [{backendRefs: [{name: through, port: 1000}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: end, namespace: shop}
spec: {parentRefs: [{name: l4, sectionName: end}], hostnames: [end.example], rules: [{backendRefs: [{name: plain, port: 1000}]}]}
---${tlsSecret('shop/end', authority.issue({ names: ['end.example'] }))}${backend('through', { ports: [port] })}${backend('plain', { ports: [plain.port] })}`,
    )
    /** What the client shows until it has the answer, or ends. */
    const client = async (name: string, answer: RegExp): Promise<string> => {
      const target = ['-connect', `127.0.0.1:${mesh.gatewayPort}`, '-servername', name, '-verify_hostname', name]
      const trust = ['-CAfile', authority.certificateFile, '-verify_return_error', '-quiet']
      const child = spawn('openssl', ['s_client', ...target, ...trust], { stdio: ['pipe', 'pipe', 'pipe'] })
      let shown = ''
      const { promise, resolve } = Promise.withResolvers<void>()
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          shown += text
          if (answer.test(shown)) resolve()
        })
      }
      child.on('close', () => resolve())
      child.stdin.on('error', () => {})
      child.stdin.write('abc\n')
      await promise
      child.kill('SIGKILL')
      return shown
    }
    for (const [name, answer] of [
      ['through.example', /^cba$/m],
      ['end.example', /^plain\nabc$/m],
      ['other.example', /unrecognized name/],
    ] as const) {
      assert.match(await client(name, answer), answer)
    }
    assert.match((await mesh.run('explain', 'TLS', `end.example:${mesh.gatewayPort}`)).stdout, /TLS ends here/)
    assert.match(
      (await mesh.run('explain', 'TLS', `through.example:${mesh.gatewayPort}`)).stdout,
      /TLS is passed through/,
    )
  })

  it('the PROXY protocol: haproxy sends it, nginx expects it, and the client is known behind both', async t => {
    const [nginxPort, haproxyPort] = [await freePort(), await freePort()]
    const isUp = (port: number) => () => connects(port)
    const http = `server { listen 127.0.0.1:${nginxPort} proxy_protocol; location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port\\n"; } }`
    await using _nginx = await TestNginx.start(http, nginxPort)
    const mesh = await up(
      t,
      ({ gatewayPort }) =>
        gateway(gatewayPort, 'protocol: TCP', 'heddle.dev/proxy-protocol: Require') +
        route('TCPRoute', '{name: web, port: 1000}') +
        backend('web', { ports: [nginxPort], policy: 'proxyProtocol: V2' }),
    )
    for (const option of ['send-proxy', 'send-proxy-v2']) {
      const configuration = `
global
defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
listen in
  bind 127.0.0.1:${haproxyPort}
  server heddle 127.0.0.1:${mesh.gatewayPort} ${option}
`
      await using _haproxy = await program(
        directory => ['haproxy', '-db', '-f', path.join(directory, 'haproxy.cfg')],
        isUp(haproxyPort),
        { files: { 'haproxy.cfg': configuration } },
      )
      const answer = await run('curl', [
        '-sS',
        '--local-port',
        '40000-49000',
        '-w',
        '%{local_port}',
        `http://127.0.0.1:${haproxyPort}/`,
      ])
      const [seen, port] = answer.out.split('\n')
      assert.equal(seen, `127.0.0.1:${port}`, answer.errors)
    }
    // Without a header nothing is served.
    assert.notEqual((await run('curl', ['-sS', `http://127.0.0.1:${mesh.gatewayPort}/`])).code, 0)
  })

  it('a killed Redis: the other one serves, and new connections never see the dead one', async t => {
    const ports = [await freePort(), await freePort()]
    const servers = await Promise.all(ports.map(redis))
    t.after(async () => {
      for (const server of servers) await server[Symbol.asyncDispose]()
    })
    const mesh = await up(
      t,
      ({ gatewayPort }) =>
        gateway(gatewayPort, 'protocol: TCP') +
        route('TCPRoute', '{name: cache, port: 1000}') +
        backend('cache', { ports, policy: 'loadBalancing: {type: RoundRobin}' }),
    )
    const ping = () => run('redis-cli', ['-h', '127.0.0.1', '-p', `${mesh.gatewayPort}`, 'ping'])
    assert.equal((await ping()).out, 'PONG\n')
    await servers[0]?.[Symbol.asyncDispose]()
    for (let i = 0; i < 10; i++) assert.equal((await ping()).out, 'PONG\n')
  })
})
