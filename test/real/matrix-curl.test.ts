/** curl by each version of HTTP, through the proxy, to nginx by each version of HTTP: what is sent arrives whole. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { tlsTo } from '../support/backend-tls.ts'
import { TestAuthority } from '../support/certificates.ts'
import { ProxyProcess } from '../support/clients-process.ts'
import { TestNginx } from '../support/nginx.ts'
import { run } from '../support/programs.ts'
import type { BackendSketch, MeshSketch } from '../support/proxy.ts'
import { freePort } from '../support/ports.ts'

const largeBytes = 10 * 1024 * 1024
const clients = [
  { name: 'HTTP/1.1', flags: ['--http1.1'], isTls: false, version: '1.1' },
  { name: 'h2c', flags: ['--http2-prior-knowledge'], isTls: false, version: '2' },
  { name: 'HTTP/1.1 over TLS', flags: ['--http1.1'], isTls: true, version: '1.1' },
  { name: 'h2 over TLS', flags: ['--http2'], isTls: true, version: '2' },
] as const
const backends = [
  { name: 'HTTP/1.1', prefix: '/http1', listen: '', protocol: 'http1', isTls: false },
  { name: 'h2c', prefix: '/h2c', listen: 'http2', protocol: 'h2c', isTls: false },
  { name: 'h2 over TLS', prefix: '/h2', listen: 'ssl http2', protocol: 'h2c', isTls: true },
] as const

const directory = mkdtempSync(path.join(tmpdir(), 'heddle-curl-'))
const uploads = path.join(directory, 'uploads')
const large = path.join(directory, 'large')
const authority = new TestAuthority()
const open = new AsyncDisposableStack()
/** By whether clients come by TLS. */
const proxies = new Map<boolean, ProxyProcess>()

before(async () => {
  mkdirSync(uploads)
  writeFileSync(large, randomBytes(largeBytes))
  const ports = await Promise.all(backends.map(() => freePort()))
  const sinkPort = await freePort()
  const back = authority.issueFiles({ names: ['back.example'] })
  const servers = backends.map(
    ({ prefix, listen }, index) => `server {
  listen 127.0.0.1:${ports[index]} ${listen};
  ssl_certificate ${back.chain};
  ssl_certificate_key ${back.key};
  client_max_body_size 20m;
  client_body_temp_path ${uploads};
  location = ${prefix}/small { return 200 "$server_protocol"; }
  location = ${prefix}/large { alias ${large}; }
  location = ${prefix}/up { client_body_in_file_only on; proxy_pass http://127.0.0.1:${sinkPort}; }
}`,
  )
  const sink = `server { listen 127.0.0.1:${sinkPort}; client_max_body_size 20m; location / { return 201 stored; } }`
  open.use(await TestNginx.start([...servers, sink].join('\n'), ports[0] ?? 0))
  for (const isTls of [false, true]) {
    const certificate = isTls ? { certificate: authority.issue({ names: ['front.example'] }) } : {}
    proxies.set(isTls, open.use(await ProxyProcess.start({ ...sketch(ports), ...certificate })))
  }
})

after(async () => {
  await open.disposeAsync()
  authority[Symbol.dispose]()
  rmSync(directory, { recursive: true, force: true })
})

function sketch(ports: readonly number[]): MeshSketch {
  const tls = tlsTo('back.example', authority)
  const all = backends.map(({ prefix, protocol, isTls }, index): [string, BackendSketch] => [
    `a${prefix.slice(1)}:80`,
    { ports: [ports[index] ?? 0], protocol, tls: isTls ? tls : undefined },
  ])
  return {
    rules: backends.map(({ prefix }) => ({ prefix, backends: [`a${prefix.slice(1)}:80`] })),
    backends: Object.fromEntries(all),
  }
}

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

for (const client of clients) {
  for (const backend of backends) {
    describe(`curl by ${client.name}, nginx by ${backend.name}`, () => {
      /** @returns the body, behind status and version of the answer */
      const curl = async (target: string, ...more: readonly string[]): Promise<string> => {
        const proxy = proxies.get(client.isTls)
        assert.ok(proxy !== undefined)
        const scheme = client.isTls ? 'https' : 'http'
        const trust = ['--cacert', authority.certificateFile, '--connect-to', `::127.0.0.1:${proxy.port}`]
        const told = ['-sS', '--max-time', '20', '-w', ' %{http_code} %{http_version}']
        const url = `${scheme}://front.example${backend.prefix}/${target}`
        const { code, out, errors } = await run('curl', [...told, ...trust, ...client.flags, ...more, url])
        assert.equal(code, 0, errors)
        // Nothing of it is left at the proxy.
        await proxy.until(
          ({ gauges, activeRequests }) => activeRequests === 0 && gauges['heddle_downstream_connections'] === 0,
        )
        return out
      }

      it('a small answer, by the versions that were asked for', async () => {
        const spoken = backend.protocol === 'h2c' ? 'HTTP/2.0' : 'HTTP/1.1'
        assert.equal(await curl('small'), `${spoken} 200 ${client.version}`)
      })

      it('10 MiB down arrive whole', async () => {
        const file = path.join(directory, 'received')
        assert.equal(await curl('large', '-o', file), ` 200 ${client.version}`)
        assert.equal(digestOf(file), digestOf(large))
      })

      it('10 MiB up arrive whole', async () => {
        for (const name of readdirSync(uploads)) rmSync(path.join(uploads, name))
        assert.equal(await curl('up', '-T', large), `stored 201 ${client.version}`)
        const [name = '', ...others] = readdirSync(uploads)
        assert.deepEqual(others, [])
        assert.equal(digestOf(path.join(uploads, name)), digestOf(large))
      })
    })
  }
}
