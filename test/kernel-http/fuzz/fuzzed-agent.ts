import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import { Bpf, openMapById, takeInventory } from '../../../src/kernel/index.ts'
import type { KhBackend } from '../../../src/kernel-http/generated/http.ts'
import { endpoint, member, MemberMesh, serviceOf } from '../../datapath/member-mesh.ts'
import { parseAnswer, RawClient } from '../../support/raw.ts'
import { until } from '../../support/until.ts'
import { areLeft, programsOfPath, statusOf } from '../carried.ts'
import { dieForAWhile, EndpointProcess } from './endpoints.ts'
import type { Disturbance, Fuzzed, FuzzOptions } from './fuzzed.ts'
import { below, endpointsOf, pick } from './operation.ts'
import { composeRoute, openPolicy, optOut } from './resources.ts'

const names = ['a1', 'a2', 'b1']
const flags = ['--dns-address', 'off', '--kernel-http', 'auto', '--drain-seconds', '5']
/** As many as an agent keeps to each. */
const poolSize = 16

/** The agent itself, with its keeper, and this process as a program of its mesh: it is killed, told to stop, and changed. */
export class FuzzedAgent implements Fuzzed {
  readonly host: string
  readonly port = 9080
  readonly #options: FuzzOptions
  readonly #each: MemberMesh
  readonly #endings: readonly (() => unknown)[]
  readonly #endpoints: readonly EndpointProcess[]
  readonly #disturbances: readonly Disturbance[]
  #served = 0
  /** Of earlier agents. */
  #servedBefore = 0
  #reasons = ''

  private constructor(
    options: FuzzOptions,
    each: MemberMesh,
    rest: {
      readonly host: string
      readonly endings: readonly (() => unknown)[]
      readonly endpoints: readonly EndpointProcess[]
    },
  ) {
    this.#options = options
    this.#each = each
    this.host = rest.host
    this.#endings = rest.endings
    this.#endpoints = rest.endpoints
    this.#disturbances = [
      ['routes', 12, () => this.#changeRoutes()],
      ['policy', 3, () => this.#changePolicy()],
      ['opt out', 1, () => this.#optOut()],
      ['switch', 2, () => this.#switch()],
      ['death', 2, () => this.#killEndpoint()],
      ['kill -9', 2, () => this.#restart('SIGKILL')],
      ['SIGTERM', 2, () => this.#restart('SIGTERM')],
    ]
  }

  static async open(options: FuzzOptions): Promise<FuzzedAgent> {
    const endings: (() => unknown)[] = []
    const t = { after: ((end: () => unknown) => void endings.push(end)) as TestContext['after'] }
    const each = await MemberMesh.create(t, [member('client')])
    await each.up(...flags)
    // From here on sockets of this process, and of those that it starts, are of the mesh; agents are not.
    each.mesh.cgroup = join(each.cgroup.folder, '..')
    moveTo(join(each.cgroup.folder, 'shop.client'))
    const endpoints = await Promise.all(names.map((name, index) => EndpointProcess.open(name, options.seed + index)))
    const services = endpoints.map(({ name, port }) => serviceOf(name, '{port: 9080}') + endpoint(name, port))
    each.mesh.write('services.yaml', [serviceOf('front', '{port: 9080}'), ...services].join(''))
    each.mesh.write('routes.yaml', composeRoute(options.random))
    let host = ''
    await until(async () => {
      const { services: known } = await each.mesh.status()
      host = known.find(({ key }) => key === 'shop/front:9080')?.address?.split(':')[0] ?? ''
      return host !== ''
    })
    const fuzzed = new FuzzedAgent(options, each, { host, endings, endpoints })
    await fuzzed.#untilWell()
    return fuzzed
  }

  get served(): number {
    return this.#servedBefore + this.#served
  }

  get reasons(): string {
    return this.#reasons
  }

  async disturb(): Promise<string> {
    const all = this.#disturbances.flatMap(each => Array.from({ length: each[1] }, () => each))
    const [name, , act] = pick(this.#options.random, all)
    await act()
    await this.#look()
    return name
  }

  async #look(): Promise<void> {
    const { served, leftFor } = await statusOf(this.#each)
    this.#served = served
    this.#reasons = Object.entries(leftFor)
      .map(each => each.join(' '))
      .join(', ')
  }

  async #changeRoutes(): Promise<void> {
    await Promise.resolve()
    this.#each.mesh.write('routes.yaml', composeRoute(this.#options.random))
  }

  async #changePolicy(): Promise<void> {
    this.#each.mesh.write('policy.yaml', openPolicy)
    await sleep(below(this.#options.random, 400))
    this.#each.mesh.write('policy.yaml', '')
  }

  async #optOut(): Promise<void> {
    this.#each.mesh.write('opt-out.yaml', optOut)
    await sleep(below(this.#options.random, 600))
    this.#each.mesh.write('opt-out.yaml', '')
  }

  async #switch(): Promise<void> {
    await statusOf(this.#each, false)
    await sleep(below(this.#options.random, 50))
    await statusOf(this.#each, true)
  }

  async #killEndpoint(): Promise<void> {
    const { random } = this.#options
    const dead = pick(random, this.#endpoints)
    await this.#whileDead(() => dieForAWhile(dead, random))
  }

  async #restart(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    await this.#whileDead(async () => {
      await this.#look()
      await this.#each.kill(signal)
      this.#servedBefore += this.#served
      this.#served = 0
      await sleep(below(this.#options.random, 300))
      await this.#each.up(...flags)
    })
  }

  /** Requests that meet this may be lost, if they say so. */
  async #whileDead(act: () => Promise<void>): Promise<void> {
    this.#options.shared.nextEpoch()
    await act()
    await this.#untilWell()
    this.#options.shared.nextEpoch()
  }

  async #untilWell(): Promise<void> {
    await until(async () => {
      const { isOn, pooled } = await statusOf(this.#each)
      return isOn && pooled >= names.length * poolSize
    })
    await until(() => this.#answers())
  }

  /** By the path, where routes lead there, and by the proxy. */
  async #answers(): Promise<boolean> {
    for (const route of Object.keys(endpointsOf)) {
      for (let tries = 0; tries < 4; tries++) {
        await using client = await RawClient.open(this.port, { host: this.host })
        const text = `GET /${route}/length/1?probe HTTP/1.1\r\nHost: shop\r\n\r\n`
        client.write(text.slice(0, tries % 2))
        await turn()
        client.write(text.slice(tries % 2))
        const answer = await client.receive(received => parseAnswer(received) !== undefined)
        if (!answer.startsWith('HTTP/1.1 200')) return false
      }
    }
    return true
  }

  /** Paths of earlier agents are gone; that of this one has no client, all of its connections, and answers. */
  async settle(): Promise<void> {
    await until(() => this.#checkMaps(), { timeoutMs: 90_000, intervalMs: 100 })
    this.#each.mesh.write(
      'routes.yaml',
      composeRoute(() => 0.99),
    )
    await this.#look()
    const { served } = this
    await until(async () => {
      await this.#answers()
      await this.#look()
      return this.served > served
    })
  }

  async #checkMaps(): Promise<boolean> {
    using bpf = new Bpf()
    const { maps, programs } = takeInventory(bpf, 'kh_')
    const own = new Set(programsOfPath(this.#each))
    const mapIds = new Set(programs.filter(({ id }) => own.has(id)).flatMap(each => each.mapIds))
    const valuesOf = (name: string): readonly unknown[] => {
      const found = maps.filter(map => map.name === name && mapIds.has(map.id))
      assert.equal(found.length, 1, `paths: ${found.length}`)
      using map = openMapById<unknown, unknown>(bpf, found[0]?.id ?? 0)
      return [...(map?.entries() ?? [])].map(([, value]) => value)
    }
    const clients = valuesOf('kh_clients').length
    const pairs = valuesOf('kh_pairs').length
    const backends = valuesOf('kh_backends') as readonly KhBackend[]
    const { pooled } = await statusOf(this.#each)
    assert.deepEqual({ clients, pairs, backends: backends.length }, { clients: 0, pairs: 0, backends: pooled })
    assert.ok(pooled >= names.length * poolSize, `${pooled} connections to endpoints`)
    assert.ok(backends.every(({ owner, state }) => owner === 0n && state === 0))
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ids = programsOfPath(this.#each)
    await Promise.all(this.#endpoints.map(each => each[Symbol.asyncDispose]()))
    moveTo(join(this.#each.cgroup.folder, '..'))
    await this.#each[Symbol.asyncDispose]()
    for (const end of this.#endings.toReversed()) await end()
    assert.deepEqual(areLeft(ids), [], 'programs that cleanup has left')
  }
}

function moveTo(cgroup: string): void {
  writeFileSync(join(cgroup, 'cgroup.procs'), String(process.pid))
}
