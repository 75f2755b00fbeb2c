import assert from 'node:assert/strict'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import type { Filter, SessionPersistence } from '../../src/model/index.ts'
import { startProxy } from '../support/proxy.ts'
import type { RuleSketch, TestProxy } from '../support/proxy.ts'

interface Seen {
  readonly server: string
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** Endpoints that answer with what they saw, by name. */
class Echoes implements AsyncDisposable {
  readonly seen: Seen[] = []
  readonly ports = new Map<string, number>()
  readonly #servers: http.Server[] = []
  #wake: () => void = () => {}

  static async open(...names: string[]): Promise<Echoes> {
    const echoes = new Echoes()
    for (const name of names) await echoes.#add(name)
    return echoes
  }

  async #add(name: string): Promise<void> {
    const server = http.createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        const { method = '', url = '', headers } = request
        const seen = { server: name, method, url, headers, body }
        this.seen.push(seen)
        this.#wake()
        response.setHeader('x-remove-me', 'x')
        response.setHeader('x-list', 'a')
        response.setHeader('access-control-allow-origin', '*')
        response.end(JSON.stringify(seen))
      })
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    this.ports.set(name, (server.address() as AddressInfo).port)
    this.#servers.push(server)
  }

  async until(predicate: (seen: readonly Seen[]) => boolean): Promise<void> {
    while (!predicate(this.seen)) await new Promise<void>(resolve => (this.#wake = resolve))
  }

  /** One backend `NAME:80` for each. */
  get backends(): Record<string, { ports: number[] }> {
    return Object.fromEntries([...this.ports].map(([name, port]) => [`${name}:80`, { ports: [port] }]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections()
      await new Promise<void>(resolve => server.close(() => resolve()))
    }
  }
}

interface Got {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
  readonly seen: Seen
}

async function ask(
  proxy: TestProxy,
  path: string,
  options: http.RequestOptions & { body?: string } = {},
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: proxy.port, path, agent: false, ...options }, response => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => {
        const seen = body.startsWith('{') ? (JSON.parse(body) as Seen) : undefined
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, seen: seen as Seen })
      })
    })
    request.on('error', reject)
    request.end(options.body)
  })
}

async function withRule(
  rule: RuleSketch,
  names: readonly string[],
  use: (proxy: TestProxy, echoes: Echoes) => Promise<void>,
): Promise<void> {
  await using echoes = await Echoes.open(...names)
  await using proxy = await startProxy({ rules: [rule], backends: echoes.backends })
  await use(proxy, echoes)
}

function filters(...list: Filter[]): RuleSketch {
  return { prefix: '/old', backends: ['a:80'], filters: list }
}

describe('header filters', () => {
  const edits: Filter = {
    kind: 'request-headers',
    set: [{ name: 'X-Set', value: 'new' }],
    add: [
      { name: 'X-Add', value: 'two' },
      { name: 'X-Fresh', value: 'one' },
    ],
    remove: ['x-gone'],
  }

  it('set, add and remove request fields whatever their case', async () => {
    await withRule(filters(edits), ['a'], async proxy => {
      const { seen } = await ask(proxy, '/old', {
        headers: { 'x-SET': 'old', 'X-add': 'one', 'X-Gone': '1', 'X-Stays': '1' },
      })
      assert.equal(seen.headers['x-set'], 'new')
      assert.equal(seen.headers['x-add'], 'one,two')
      assert.equal(seen.headers['x-fresh'], 'one')
      assert.equal(seen.headers['x-gone'], undefined)
      assert.equal(seen.headers['x-stays'], '1')
    })
  })

  it('set, add and remove response fields', async () => {
    const response: Filter = {
      kind: 'response-headers',
      set: [{ name: 'x-set', value: '1' }],
      add: [{ name: 'x-list', value: 'b' }],
      remove: ['x-remove-me'],
    }
    await withRule(filters(response), ['a'], async proxy => {
      const { headers } = await ask(proxy, '/old')
      assert.equal(headers['x-set'], '1')
      assert.equal(headers['x-list'], 'a,b')
      assert.equal(headers['x-remove-me'], undefined)
    })
  })

  it('of a backend act after those of the rule, for that backend alone', async () => {
    const rule: RuleSketch = {
      filters: [{ kind: 'request-headers', set: [{ name: 'x-by', value: 'rule' }], add: [], remove: [] }],
      backends: [
        { key: 'a:80', weight: 1 },
        {
          key: 'b:80',
          weight: 1,
          filters: [{ kind: 'request-headers', set: [{ name: 'x-by', value: 'backend' }], add: [], remove: [] }],
        },
      ],
    }
    await withRule(rule, ['a', 'b'], async proxy => {
      const by = new Map<string, unknown>()
      for (let round = 0; by.size < 2 && round < 200; round++) {
        const { seen } = await ask(proxy, '/')
        by.set(seen.server, seen.headers['x-by'])
      }
      assert.deepEqual(Object.fromEntries(by), { a: 'rule', b: 'backend' })
    })
  })
})

describe('rewrite and redirect filters', () => {
  it('rewrite the prefix and the host, and keep the query', async () => {
    const rewrite: Filter = { kind: 'rewrite', hostname: 'inner.example', path: { kind: 'prefix', value: '/new' } }
    await withRule(filters(rewrite), ['a'], async proxy => {
      const { seen } = await ask(proxy, '/old/item?x=1')
      assert.equal(seen.url, '/new/item?x=1')
      assert.equal(seen.headers.host, 'inner.example')
      assert.equal(seen.headers['x-forwarded-host'], `127.0.0.1:${proxy.port}`)
    })
  })

  it('redirect with status, scheme, host, port and path', async () => {
    const redirect: Filter = {
      kind: 'redirect',
      scheme: 'https',
      hostname: 'new.example',
      path: { kind: 'prefix', value: '/n' },
      port: undefined,
      status: 308,
    }
    await withRule(filters(redirect), ['a'], async proxy => {
      const got = await ask(proxy, '/old/x?y=1')
      assert.equal(got.status, 308)
      assert.equal(got.headers.location, 'https://new.example/n/x?y=1')
      assert.equal(got.headers['x-heddle-reason'], 'redirect')
    })
  })

  it('forward the normal form of a path that was matched in its normal form', async () => {
    await withRule({ prefix: '/a', backends: ['a:80'] }, ['a'], async proxy => {
      assert.equal((await ask(proxy, '/x/../%61/b?q=%2e')).seen.url, '/a/b?q=%2e')
      assert.equal((await ask(proxy, '/a/..%2fadmin')).status, 400)
    })
  })
})

describe('CORS filter', () => {
  const cors: Filter = {
    kind: 'cors',
    allowOrigins: ['https://*.shop.example'],
    allowCredentials: true,
    allowMethods: ['GET', 'PUT'],
    allowHeaders: ['x-token'],
    exposeHeaders: ['x-set'],
    maxAgeSeconds: 60,
  }

  it('answers a preflight itself', async () => {
    await withRule(filters(cors), ['a'], async (proxy, echoes) => {
      const headers = { origin: 'https://www.shop.example', 'access-control-request-method': 'PUT' }
      const got = await ask(proxy, '/old', { method: 'OPTIONS', headers })
      assert.equal(got.status, 204)
      assert.equal(got.headers['access-control-allow-origin'], 'https://www.shop.example')
      assert.equal(got.headers['access-control-allow-methods'], 'GET, PUT')
      assert.equal(got.headers['access-control-max-age'], '60')
      assert.equal(echoes.seen.length, 0)
    })
  })

  it('marks the real answer for an allowed origin and no other', async () => {
    await withRule(filters(cors), ['a'], async proxy => {
      const allowed = await ask(proxy, '/old', { headers: { origin: 'https://www.shop.example' } })
      assert.equal(allowed.headers['access-control-allow-origin'], 'https://www.shop.example')
      assert.equal(allowed.headers['access-control-allow-credentials'], 'true')
      const other = await ask(proxy, '/old', { headers: { origin: 'https://evil.example' } })
      assert.equal(other.status, 200)
      assert.equal(other.headers['access-control-allow-origin'], undefined)
    })
  })
})

describe('mirror filter', () => {
  it('sends copies, with their bodies, to every mirror and ignores the answers', async () => {
    const mirror = (key: string): Filter => ({ kind: 'mirror', target: { kind: 'backend', key }, fraction: 1 })
    await withRule(filters(mirror('b:80'), mirror('c:80')), ['a', 'b', 'c'], async (proxy, echoes) => {
      const got = await ask(proxy, '/old/x', { method: 'POST', body: 'hello' })
      assert.equal(got.seen.server, 'a')
      await echoes.until(seen => seen.length === 3)
      assert.deepEqual(echoes.seen.map(seen => seen.server).toSorted(), ['a', 'b', 'c'])
      for (const seen of echoes.seen) {
        assert.equal(seen.body, 'hello')
        assert.equal(seen.url, '/old/x')
        assert.equal(seen.headers['x-request-id'], echoes.seen[0]?.headers['x-request-id'])
      }
    })
  })

  it('copies only its fraction', async () => {
    const mirror: Filter = { kind: 'mirror', target: { kind: 'backend', key: 'b:80' }, fraction: 0 }
    await withRule(filters(mirror), ['a', 'b'], async (proxy, echoes) => {
      for (let round = 0; round < 20; round++) await ask(proxy, '/old')
      assert.ok(echoes.seen.every(seen => seen.server === 'a'))
    })
  })
})

describe('a rule whose filter cannot be carried out', () => {
  it('answers an error and forwards nothing', async () => {
    const failure = { status: 500, message: 'extensionRef names nothing' }
    await withRule({ backends: ['a:80'], failure }, ['a'], async (proxy, echoes) => {
      const got = await ask(proxy, '/')
      assert.equal(got.status, 500)
      assert.equal(got.headers['x-heddle-reason'], 'invalid-filter')
      assert.equal(echoes.seen.length, 0)
    })
  })
})

describe('affinity', () => {
  const session: SessionPersistence = {
    kind: 'cookie',
    name: 'sticky',
    absoluteTimeoutMs: 0,
    idleTimeoutMs: 0,
    permanent: false,
  }

  async function withThree(
    rule: RuleSketch,
    settings: Parameters<typeof startProxy>[0]['backends'][string]['settings'],
    use: (proxy: TestProxy) => Promise<void>,
  ): Promise<void> {
    await using echoes = await Echoes.open('a', 'b', 'c')
    const backend = { ports: [...echoes.ports.values()], ...(settings === undefined ? {} : { settings }) }
    await using proxy = await startProxy({ rules: [rule], backends: { 'all:80': backend } })
    await use(proxy)
  }

  it('keeps a session at its endpoint by cookie, and sets the cookie once', async () => {
    await withThree({ backends: ['all:80'], session }, undefined, async proxy => {
      const first = await ask(proxy, '/')
      const [cookie = ''] = first.headers['set-cookie'] ?? []
      assert.match(cookie, /^sticky=[^;]+; Path=\/; HttpOnly/)
      const headers = { cookie: cookie.split(';')[0] }
      for (let round = 0; round < 20; round++) {
        const next = await ask(proxy, '/', { headers })
        assert.equal(next.seen.server, first.seen.server)
        assert.equal(next.headers['set-cookie'], undefined)
      }
    })
  })

  it('keeps a session by header', async () => {
    await withThree(
      { backends: ['all:80'], session: { ...session, kind: 'header', name: 'x-session' } },
      undefined,
      async proxy => {
        const first = await ask(proxy, '/')
        const value = first.headers['x-session']
        assert.equal(typeof value, 'string')
        for (let round = 0; round < 20; round++) {
          const next = await ask(proxy, '/', { headers: { 'x-session': value } })
          assert.equal(next.seen.server, first.seen.server)
        }
      },
    )
  })

  it('hashes a header, and spreads different values', async () => {
    const loadBalancing = { kind: 'Maglev', source: { kind: 'header', name: 'x-user' }, tableSize: 65537 } as const
    await withThree({ backends: ['all:80'] }, { loadBalancing }, async proxy => {
      const servers = new Map<string, string>()
      // Ports are free ones, so the table differs each time: of this many users none misses an endpoint by chance.
      for (let round = 0; round < 160; round++) {
        const user = `user-${round % 80}`
        const { seen } = await ask(proxy, '/', { headers: { 'x-user': user } })
        assert.equal(servers.get(user) ?? seen.server, seen.server)
        servers.set(user, seen.server)
      }
      assert.equal(new Set(servers.values()).size, 3)
    })
  })

  it('makes the cookie that it hashes when the client has none', async () => {
    const source = { kind: 'cookie', name: 'who', ttlMs: 60_000, path: '/' } as const
    await withThree(
      { backends: ['all:80'] },
      { loadBalancing: { kind: 'RingHash', source, minRingSize: 1024 } },
      async proxy => {
        const first = await ask(proxy, '/')
        const [cookie = ''] = first.headers['set-cookie'] ?? []
        assert.match(cookie, /^who=[^;]+; Path=\/; Max-Age=60; HttpOnly/)
        for (let round = 0; round < 20; round++) {
          const next = await ask(proxy, '/', { headers: { cookie: cookie.split(';')[0] } })
          assert.equal(next.seen.server, first.seen.server)
        }
      },
    )
  })
})
