import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { describe, it } from 'node:test'
import { silentLogger, silentMeter, systemClock } from '../../src/core/index.ts'
import type { Meter } from '../../src/core/index.ts'
import type { Listener } from '../../src/model/index.ts'
import { defaultLimits } from '../../src/proxy/limits.ts'
import { TicketKeys } from '../../src/proxy/listeners/ticket-keys.ts'
import { TlsServer } from '../../src/proxy/listeners/tls-server.ts'
import { TimerWheel } from '../../src/proxy/resilience/timer-wheel.ts'
import type { Connection } from '../../src/proxy/transport/connection.ts'
import { NodeTls } from '../../src/proxy/transport/node-tls.ts'
import { TestAuthority } from '../support/certificates.ts'
import { gateway, GatewayBed, route, tlsSecret } from '../support/gateway.ts'
import { run } from '../support/programs.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/until.ts'

// Listeners that terminate TLS, asked by openssl and curl.

const v1 = 'infra/v1'
const toV1 = 'backendRefs: [{name: v1, port: SERVICE_PORT}]'

interface ListenerSketch {
  readonly name: string
  readonly port: number
  readonly secrets: readonly string[]
  readonly hostname?: string
  readonly options?: string
}

function https({ name, port, secrets, hostname, options }: ListenerSketch): string {
  const host = hostname === undefined ? '' : `, hostname: '${hostname}'`
  const refs = secrets.map(secret => `{name: ${secret}}`).join(', ')
  const more = options === undefined ? '' : `, options: ${options}`
  return `{name: ${name}, port: ${port}, protocol: HTTPS${host}, tls: {certificateRefs: [${refs}]${more}}}`
}

/** What `openssl s_client` tells of a handshake; `failed` when there was none. */
async function shake(bed: GatewayBed, port: number, ...args: string[]): Promise<Record<string, string>> {
  const { code, out, errors } = await run('openssl', ['s_client', '-connect', `${bed.address}:${port}`, ...args])
  const version = /^(?:New|Reused), (TLSv[\d.]+), Cipher is (\S+)/m.exec(out)
  return {
    failed: code === 0 ? '' : errors,
    reused: /^Reused/m.test(out) ? 'yes' : 'no',
    version: version?.[1] ?? '',
    cipher: version?.[2] ?? '',
    signature: /^Peer signature type: (\S+)/m.exec(out)?.[1] ?? '',
    subject: /^subject=(.*)$/m.exec(out)?.[1]?.replaceAll(' ', '') ?? '',
    alpn: /^ALPN protocol: (\S+)/m.exec(out)?.[1] ?? '',
  }
}

async function curl(
  bed: GatewayBed,
  port: number,
  authority: TestAuthority,
  ...args: string[]
): Promise<{ code: number | null; body: string; status: string; errors: string }> {
  const base = ['-sS', '--http1.1', '--cacert', authority.certificateFile, '--max-time', '20', '-w', '\n%{http_code}']
  const connect = ['--connect-to', `::${bed.address}:${port}`]
  const { code, out, errors } = await run('curl', [...base, ...connect, ...args])
  const at = out.lastIndexOf('\n')
  return { code, body: out.slice(0, at), status: out.slice(at + 1), errors }
}

describe('TLS listeners and openssl s_client', () => {
  it('a client gets the certificate that it can verify, RSA or ECDSA, for its name', async () => {
    using authority = new TestAuthority()
    await using bed = await GatewayBed.open(v1)
    const port = await freePort()
    const pair = (subject: string, name: string, type: 'rsa' | 'ec') =>
      tlsSecret(`infra/${subject}`, authority.issue({ names: [name], type, subject: `/CN=${subject}` }))
    await bed.put(
      'secrets',
      pair('wild-ec', '*.shop.example', 'ec'),
      pair('wild-rsa', '*.shop.example', 'rsa'),
      pair('exact-rsa', 'www.shop.example', 'rsa'),
      pair('other-ec', 'other.example', 'ec'),
    )
    const secrets = ['wild-ec', 'wild-rsa', 'exact-rsa', 'other-ec']
    await bed.put('gateway', gateway('infra/web', [https({ name: 'https', port, secrets })]))
    const rsa = ['-sigalgs', 'rsa_pss_rsae_sha256', '-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256']
    const ecdsa = ['-sigalgs', 'ecdsa_secp256r1_sha256']
    for (const [name, args, subject] of [
      ['a.shop.example', ecdsa, 'CN=wild-ec'],
      ['a.shop.example', rsa, 'CN=wild-rsa'],
      ['A.Shop.Example', ecdsa, 'CN=wild-ec'],
      ['www.shop.example', rsa, 'CN=exact-rsa'],
      ['other.example', ecdsa, 'CN=other-ec'],
    ] as const) {
      assert.equal((await shake(bed, port, '-servername', name, ...args)).subject, subject, `${name} ${args.join(' ')}`)
    }
    // Clients without a name: one of each type, too.
    assert.equal((await shake(bed, port, '-noservername', ...rsa)).subject, 'CN=wild-rsa')
    assert.equal((await shake(bed, port, '-noservername', ...ecdsa)).subject, 'CN=wild-ec')
  })

  it('versions and ciphers are those of the listener that the name chooses', async () => {
    using authority = new TestAuthority()
    await using bed = await GatewayBed.open(v1)
    const port = await freePort()
    const pair = authority.issue({ names: ['any.example', 'new.example', 'old.example'], type: 'ec' })
    await bed.put('secrets', tlsSecret('infra/all', pair))
    const secrets = ['all']
    await bed.put(
      'gateway',
      gateway('infra/web', [
        https({ name: 'any', port, secrets }),
        https({
          name: 'new',
          port,
          secrets,
          hostname: 'new.example',
          options: '{heddle.dev/min-version: TLSv1.3}',
        }),
        https({
          name: 'old',
          port,
          secrets,
          hostname: 'old.example',
          options: '{heddle.dev/max-version: TLSv1.2, heddle.dev/ciphers: ECDHE-ECDSA-AES256-GCM-SHA384}',
        }),
      ]),
    )
    await bed.put('route', route('infra/r', { parents: 'web', rules: [toV1] }))
    const ask = async (name: string, ...args: string[]): Promise<string> => {
      const { code, status } = await curl(bed, port, authority, ...args, `https://${name}/`)
      return code === 0 ? status : 'refused'
    }
    const twelve = ['--tls-max', '1.2']
    assert.equal(await ask('any.example'), '200')
    assert.equal(await ask('any.example', ...twelve), '200')
    assert.equal(await ask('new.example'), '200')
    assert.equal(await ask('new.example', ...twelve), 'refused')
    assert.equal(await ask('old.example', ...twelve, '--ciphers', 'ECDHE-ECDSA-AES256-GCM-SHA384'), '200')
    assert.equal(await ask('old.example', ...twelve, '--ciphers', 'ECDHE-ECDSA-AES128-GCM-SHA256'), 'refused')
    assert.equal(await ask('old.example', '--tlsv1.3'), 'refused')
  })

  it('a listener alone holds its versions and ciphers in the handshake itself', async () => {
    using authority = new TestAuthority()
    await using bed = await GatewayBed.open(v1)
    const port = await freePort()
    await bed.put('secrets', tlsSecret('infra/all', authority.issue({ names: ['a.example'] })))
    const listener = (options: string) => https({ name: 'https', port, secrets: ['all'], options })
    await bed.put('gateway', gateway('infra/web', [listener('{heddle.dev/min-version: TLSv1.3}')]))
    assert.equal((await shake(bed, port, '-servername', 'a.example')).version, 'TLSv1.3')
    assert.match((await shake(bed, port, '-servername', 'a.example', '-tls1_2')).failed ?? '', /alert protocol version/)
    await bed.put(
      'gateway',
      gateway('infra/web', [
        listener('{heddle.dev/ciphers: TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES256-GCM-SHA384}'),
      ]),
    )
    assert.equal((await shake(bed, port, '-servername', 'a.example')).cipher, 'TLS_CHACHA20_POLY1305_SHA256')
    const twelve = await shake(bed, port, '-servername', 'a.example', '-tls1_2')
    assert.equal(twelve.cipher, 'ECDHE-ECDSA-AES256-GCM-SHA384')
    const weak = ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256']
    assert.match((await shake(bed, port, '-servername', 'a.example', ...weak)).failed ?? '', /handshake failure/)
  })

  it('h2 before http/1.1, unless the listener names what is agreed upon; nothing in common is refused', async () => {
    using authority = new TestAuthority()
    await using bed = await GatewayBed.open(v1)
    const port = await freePort()
    await bed.put('secrets', tlsSecret('infra/all', authority.issue({ names: ['a.example'] })))
    const put = (options: string) =>
      bed.put('gateway', gateway('infra/web', [https({ name: 'https', port, secrets: ['all'], options })]))
    const offer = async (protocols: string) => {
      const { alpn, failed } = await shake(bed, port, '-servername', 'a.example', '-alpn', protocols)
      return failed === '' ? alpn : /no application protocol/.test(failed ?? '') ? 'refused' : failed
    }
    await put('{}')
    assert.equal(await offer('http/1.1,h2'), 'h2')
    assert.equal(await offer('http/1.1,imap'), 'http/1.1')
    assert.equal(await offer('imap'), 'refused')
    await put('{heddle.dev/alpn: http/1.1}')
    assert.equal(await offer('h2,http/1.1'), 'http/1.1')
    assert.equal(await offer('h2'), 'refused')
    assert.equal((await shake(bed, port, '-servername', 'a.example')).failed, '', 'who offers nothing is served')
  })

  it('sessions are resumed, also across a change of the certificate, and not on another listener', async () => {
    using authority = new TestAuthority()
    await using bed = await GatewayBed.open(v1)
    const port = await freePort()
    await bed.put('secrets', tlsSecret('infra/a', authority.issue({ names: ['*.example'], subject: '/CN=first' })))
    const listener = { name: 'https', port, secrets: ['a'] }
    const other = { ...listener, name: 'other', hostname: 'b.example' }
    await bed.put('gateway', gateway('infra/web', [https(listener), https(other)]))
    for (const version of ['-tls1_2', '-tls1_3']) {
      const file = path.join(authority.directory, `session${version}`)
      const first = await saveSession(bed, port, file, '-servername', 'a.example', version)
      assert.equal(first.reused, 'no')
      const again = ['-servername', 'a.example', '-sess_in', file, version]
      assert.equal((await shake(bed, port, ...again)).reused, 'yes', version)
      const elsewhere = ['-servername', 'b.example', '-sess_in', file, version]
      assert.equal((await shake(bed, port, ...elsewhere)).reused, 'no', `${version} on another listener`)
      const changed = authority.issue({ names: ['*.example'], subject: `/CN=changed${version}` })
      await bed.put('secrets', tlsSecret('infra/a', changed))
      assert.equal((await shake(bed, port, ...again)).reused, 'yes', `${version} after a change`)
      assert.equal((await shake(bed, port, '-servername', 'a.example')).subject, `CN=changed${version}`)
    }
  })
})

/** It is answered after the ticket has come. */
const request = 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'

/** TLS 1.3 sends its tickets after the handshake: the connection stays until one is written. */
async function saveSession(bed: GatewayBed, port: number, file: string, ...args: string[]) {
  const base = ['s_client', '-connect', `${bed.address}:${port}`, '-sess_out', file, '-ign_eof']
  const { out } = await run('openssl', [...base, ...args], request)
  assert.ok(readFileSync(file, 'utf8').includes('BEGIN SSL SESSION'))
  return { reused: /^Reused/m.test(out) ? 'yes' : 'no' }
}

function clientValidation(mode?: string): string {
  const more = mode === undefined ? '' : `, mode: ${mode}`
  const refs = '[{group: "", kind: ConfigMap, name: ca}]'
  return `tls: {frontend: {default: {validation: {caCertificateRefs: ${refs}${more}}}}}`
}

function configMap(id: string, certificate: string): string {
  const [namespace, name] = id.split('/')
  return `{apiVersion: v1, kind: ConfigMap, metadata: {name: ${name}, namespace: ${namespace}}, data: {ca.crt: ${JSON.stringify(certificate)}}}`
}

describe('client certificates and curl', () => {
  it('AllowValidOnly admits clients of the authority and nobody else, and tells the endpoint who they are', async () => {
    using authority = new TestAuthority()
    using stranger = new TestAuthority('stranger')
    await using bed = await GatewayBed.open(v1)
    const port = await freePort()
    await bed.put('secrets', tlsSecret('infra/a', authority.issue({ names: ['a.example'] })))
    await bed.put('ca', configMap('infra/ca', authority.certificate))
    await bed.put('gateway', gateway('infra/web', [https({ name: 'https', port, secrets: ['a'] })], clientValidation()))
    await bed.put('route', route('infra/r', { parents: 'web', rules: [toV1] }))
    const ask = (pair?: { chain: string; key: string }, ...args: string[]) =>
      curl(
        bed,
        port,
        authority,
        ...(pair ? ['--cert', pair.chain, '--key', pair.key] : []),
        ...args,
        'https://a.example/',
      )
    const anna = authority.issueFiles({ subject: '/O=Shop "A"/CN=anna', uris: ['spiffe://mesh/anna'] })
    const forged = ['-H', 'x-forwarded-client-cert: Hash=forged']
    const answer = await ask(anna, ...forged)
    assert.equal(answer.status, '200', answer.errors)
    const { headers } = JSON.parse(answer.body) as { headers: Record<string, string> }
    assert.match(
      headers['x-forwarded-client-cert'] ?? '',
      /^Hash=[0-9a-f]{64};Subject="CN=anna,O=Shop \\\\\\"A\\\\\\"";URI=spiffe:\/\/mesh\/anna$/,
    )
    const none = await ask()
    assert.notEqual(none.code, 0)
    assert.match(none.errors, /certificate required/)
    for (const wrong of [
      stranger.issueFiles({ subject: '/CN=eve' }),
      authority.issueFiles({ subject: '/CN=late', days: 0 }),
    ]) {
      assert.notEqual((await ask(wrong)).code, 0)
    }
    assert.equal((await ask(anna, '--tls-max', '1.2')).status, '200')
    assert.notEqual((await ask(undefined, '--tls-max', '1.2')).code, 0)
    // Another authority holds from the next handshake on.
    await bed.put('ca', configMap('infra/ca', stranger.certificate))
    assert.notEqual((await ask(anna)).code, 0)
    assert.equal((await ask(stranger.issueFiles({ subject: '/CN=eve' }))).status, '200')
  })

  it('the access log tells of the handshake and of who was verified, for either version of HTTP', async () => {
    using authority = new TestAuthority()
    await using bed = await GatewayBed.open(v1)
    const port = await freePort()
    await bed.put('secrets', tlsSecret('infra/a', authority.issue({ names: ['a.example'] })))
    await bed.put('ca', configMap('infra/ca', authority.certificate))
    const put = (more: string) =>
      bed.put('gateway', gateway('infra/web', [https({ name: 'https', port, secrets: ['a'] })], more))
    await put(clientValidation('AllowInsecureFallback'))
    await bed.put('route', route('infra/r', { parents: 'web', rules: [toV1] }))
    const anna = authority.issueFiles({ subject: '/O=Shop/CN=anna', uris: ['spiffe://mesh/anna'] })
    const lastRecord = async (count: number) => {
      await until(() => bed.log.length >= count)
      return bed.log[count - 1]
    }
    await curl(bed, port, authority, '--http2', '--cert', anna.chain, '--key', anna.key, 'https://A.example/')
    const known = await lastRecord(1)
    assert.equal(known?.version, 20)
    assert.match(known?.tls?.peerHash ?? '', /^[0-9a-f]{64}$/)
    assert.deepEqual(known?.tls, {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      serverName: 'a.example',
      protocol: 'h2',
      isResumed: false,
      peerSubject: 'CN=anna,O=Shop',
      peerUris: 'spiffe://mesh/anna',
      peerHash: known?.tls?.peerHash,
    })
    assert.equal(known?.upstreamTls, '')
    await curl(bed, port, authority, '--tls-max', '1.2', 'https://a.example/')
    const nobody = await lastRecord(2)
    assert.deepEqual(
      [nobody?.version, nobody?.tls?.version, nobody?.tls?.protocol, nobody?.tls?.peerSubject],
      [11, 'TLSv1.2', 'http/1.1', ''],
    )
    await put('')
    const file = path.join(authority.directory, 'session')
    await saveSession(bed, port, file, '-servername', 'a.example')
    const again = ['s_client', '-connect', `${bed.address}:${port}`, '-servername', 'a.example', '-ign_eof']
    await run('openssl', [...again, '-sess_in', file], request)
    const resumed = await lastRecord(4)
    assert.deepEqual([bed.log[2]?.tls?.isResumed, resumed?.tls?.isResumed], [false, true])
    // Of a head that can't be read, too.
    await run('openssl', again, 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n')
    const unreadable = await lastRecord(5)
    assert.deepEqual([unreadable?.status, unreadable?.tls?.version], [400, 'TLSv1.3'])
  })

  it('sessions of clients that are no longer admitted are not resumed', async () => {
    using authority = new TestAuthority()
    using stranger = new TestAuthority('stranger')
    await using bed = await GatewayBed.open(v1)
    const port = await freePort()
    await bed.put('secrets', tlsSecret('infra/a', authority.issue({ names: ['a.example'] })))
    await bed.put('ca', configMap('infra/ca', authority.certificate))
    const put = (more: string) =>
      bed.put('gateway', gateway('infra/web', [https({ name: 'https', port, secrets: ['a'] })], more))
    const anna = authority.issueFiles({ subject: '/CN=anna' })
    const certificate = ['-cert', anna.chain, '-key', anna.key]
    for (const version of ['-tls1_2', '-tls1_3']) {
      await bed.put('ca', configMap('infra/ca', authority.certificate))
      await put('')
      const open = path.join(authority.directory, `open${version}`)
      await saveSession(bed, port, open, '-servername', 'a.example', version)
      await put(clientValidation())
      const known = path.join(authority.directory, `known${version}`)
      await saveSession(bed, port, known, '-servername', 'a.example', ...certificate, version)
      assert.equal((await shake(bed, port, '-servername', 'a.example', '-sess_in', known, version)).reused, 'yes')
      // And who it is is still known.
      const resumed = ['s_client', '-connect', `${bed.address}:${port}`, '-servername', 'a.example', '-ign_eof']
      const { out } = await run('openssl', [...resumed, '-sess_in', known, version], request)
      assert.match(out, /^HTTP\/1\.1 404 /m)
      // From before the check.
      assert.equal((await shake(bed, port, '-servername', 'a.example', '-sess_in', open, version)).reused, 'no')
      // By an authority that holds no more.
      await bed.put('ca', configMap('infra/ca', stranger.certificate))
      assert.equal((await shake(bed, port, '-servername', 'a.example', '-sess_in', known, version)).reused, 'no')
    }
  })

  it('AllowInsecureFallback admits all, and passes on only what was verified', async () => {
    using authority = new TestAuthority()
    using stranger = new TestAuthority('stranger')
    await using bed = await GatewayBed.open(v1)
    const port = await freePort()
    await bed.put('secrets', tlsSecret('infra/a', authority.issue({ names: ['a.example'] })))
    await bed.put('ca', configMap('infra/ca', authority.certificate))
    await bed.put(
      'gateway',
      gateway('infra/web', [https({ name: 'https', port, secrets: ['a'] })], clientValidation('AllowInsecureFallback')),
    )
    await bed.put('route', route('infra/r', { parents: 'web', rules: [toV1] }))
    const seen = async (...args: string[]): Promise<string | undefined> => {
      const answer = await curl(bed, port, authority, ...args, 'https://a.example/')
      assert.equal(answer.status, '200', answer.errors)
      return (JSON.parse(answer.body) as { headers: Record<string, string> }).headers['x-forwarded-client-cert']
    }
    const anna = authority.issueFiles({ subject: '/CN=anna' })
    const eve = stranger.issueFiles({ subject: '/CN=eve' })
    assert.match((await seen('--cert', anna.chain, '--key', anna.key)) ?? '', /Subject="CN=anna"/)
    assert.equal(await seen('--cert', eve.chain, '--key', eve.key), undefined)
    assert.equal(await seen('-H', 'x-forwarded-client-cert: Subject="CN=anna"'), undefined)
    assert.match(bed.conditions('Gateway infra/web'), /InsecureFrontendValidationMode=True\/ConfigurationChanged/)
  })
})

describe('HTTPRouteHTTPSListenerDetectMisdirectedRequests', () => {
  it('a request over the connection of another listener is answered 421', async () => {
    using authority = new TestAuthority()
    await using bed = await GatewayBed.open(v1)
    const port = await freePort()
    await bed.put(
      'secrets',
      tlsSecret('infra/a', authority.issue({ names: ['first.org', 'second.org', 'unknown.org', '*.wild.org'] })),
    )
    const secrets = ['a']
    await bed.put(
      'gateway',
      gateway('infra/web', [
        https({ name: 'any', port, secrets }),
        https({ name: 'second', port, secrets, hostname: 'second.org' }),
        https({ name: 'wild', port, secrets, hostname: '*.wild.org' }),
        https({ name: 'four', port, secrets, hostname: 'four.wild.org' }),
      ]),
    )
    const parent = (section: string) => `{name: web, sectionName: ${section}}`
    await bed.put(
      'routes',
      route('infra/r1', { parents: parent('any'), hostnames: ['first.org'], rules: [toV1] }),
      ...['second', 'wild', 'four'].map(section =>
        route(`infra/${section}`, { parents: parent(section), rules: [toV1] }),
      ),
    )
    for (const [serverName, host, status] of [
      ['first.org', 'first.org', '200'],
      ['first.org', 'second.org', '421'],
      ['first.org', 'unknown.org', '404'],
      ['second.org', 'second.org', '200'],
      ['second.org', 'Second.org:443', '200'],
      ['second.org', 'first.org', '421'],
      ['second.org', 'unknown.org', '421'],
      ['three.wild.org', 'five.wild.org', '200'],
      ['three.wild.org', 'four.wild.org', '421'],
      ['four.wild.org', 'five.wild.org', '421'],
      ['unknown.org', 'first.org', '200'],
      ['unknown.org', 'unknown.org', '404'],
    ] as const) {
      for (const version of ['--http1.1', '--http2']) {
        const answer = await curl(bed, port, authority, version, '-H', `Host: ${host}`, `https://${serverName}/`)
        assert.equal(answer.status, status, `${serverName} ${host} ${version} ${answer.errors}`)
        if (status === '421') assert.match(answer.body, /^misdirected-request/)
      }
    }
    for (const version of [11, 20]) {
      assert.ok(bed.log.some(record => record.reason === 'misdirected-request' && record.version === version))
    }
  })
})

describe('handshakes', () => {
  it('are counted by how they ended, and none is left under way', async () => {
    using authority = new TestAuthority()
    const pair = authority.issue({ names: ['a.example'] })
    const counts = new Map<string, { value: number }>()
    const meter: Meter = {
      ...silentMeter,
      counter: (name, labels) => {
        const counter = { value: 0 }
        if (name === 'heddle_tls_handshakes_total')
          counts.set(`${labels['result']} ${labels['version']}`.trim(), counter)
        return counter
      },
    }
    const secured: Connection[] = []
    const limits = { ...defaultLimits, handshakeTimeoutMs: 200, maxHandshakes: 2 }
    const host = { id: 'h', hostname: 'a.example', tls: undefined, clientCertificate: undefined }
    const listener: Listener = {
      id: 'l',
      address: '127.0.0.1',
      port: 0,
      kind: 'gateway',
      protocol: 'HTTPS',
      virtualHosts: [{ ...host, certificates: [{ name: 'a', ...pair }] }],
    }
    const tls = new NodeTls(16_384)
    const timers = new TimerWheel(systemClock)
    const options = { tls, limits, meter, logger: silentLogger, ticketKeys: new TicketKeys(), timers }
    using server = new TlsServer(listener, options)
    const owner = { secured: (connection: Connection) => secured.push(connection), notSecured: () => {} }
    const listening = await tls.transport.listen({
      address: '127.0.0.1',
      port: 0,
      onConnection: connection => server.accept(connection, owner),
      onError: error => assert.fail(error),
    })
    using _ = {
      [Symbol.dispose]: () => {
        for (const connection of secured) connection.destroy()
        listening.close()
      },
    }
    const { port } = listening
    const connect = (bytes?: string): net.Socket => {
      const socket = net.connect(port, '127.0.0.1', () => bytes !== undefined && socket.write(bytes))
      return socket.on('error', () => {}).resume()
    }
    const ended = (socket: net.Socket) => new Promise(resolve => socket.once('close', resolve))
    const shakeHands = (...args: string[]) => run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args])

    // Silent, half a hello, and no TLS at all: the first two wait for their time to pass.
    const silent = connect()
    const half = connect('\x16\x03\x01\x02\x00\x01')
    await Promise.all([once(silent, 'connect'), once(half, 'connect')])
    const third = connect('GET / HTTP/1.1\r\n\r\n')
    await Promise.all([ended(silent), ended(half), ended(third)])
    await ended(connect('GET / HTTP/1.1\r\n\r\n'))
    assert.match((await shakeHands('-servername', 'b.example')).errors, /unrecognized name/)
    assert.match((await shakeHands('-servername', 'a.example', '-tls1_1')).errors, /alert|no protocols available/)
    await shakeHands('-servername', 'a.example', '-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256')
    await shakeHands('-servername', 'a.example')
    while (server.underWay > 0) await new Promise(resolve => setImmediate(resolve))
    const found = Object.fromEntries([...counts].map(([key, { value }]) => [key, value]))
    assert.deepEqual(found, {
      timeout: 2,
      refused: 1,
      failed: 1,
      'no-certificate': 1,
      version: 1,
      cipher: 1,
      'ok TLSv1.3': 1,
    })
  })
})
