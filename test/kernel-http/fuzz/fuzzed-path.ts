import { setTimeout as sleep } from 'node:timers/promises'
import type { MeshCgroup } from '../../../src/datapath/index.ts'
import type { KernelPool, PoolOptions } from '../../../src/kernel-http/index.ts'
import type { MeshSketch } from '../../support/proxy.ts'
import { parseAnswer, RawClient } from '../../support/raw.ts'
import { freePort } from '../../support/ports.ts'
import { until } from '../../support/until.ts'
import { enterCgroup, leaveCgroup, World } from '../world.ts'
import { dieForAWhile, EndpointProcess } from './endpoints.ts'
import { below, endpointsOf, pick } from './operation.ts'
import type { Disturbance, Fuzzed, FuzzOptions } from './fuzzed.ts'
import { composeTable } from './tables.ts'

const names = ['a1', 'a2', 'b1']
const poolSize = 16
const firstSpareNumber = 10
const spareNumbers = 900

/** A runtime of the path in this process, with three endpoints: what happens to it is finer than what an agent does. */
export class FuzzedPath implements Fuzzed {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #cgroup: MeshCgroup
  readonly #options: FuzzOptions
  readonly #endpoints: readonly EndpointProcess[]
  readonly #disturbances: readonly Disturbance[]
  #world: World
  #isClosed = false
  #pools: ReadonlyMap<string, KernelPool>
  #nextNumber = 0
  /** Of earlier worlds. */
  #servedBefore = 0
  #fallbacksBefore = 0

  private constructor(
    options: FuzzOptions,
    {
      cgroup,
      world,
      endpoints,
    }: { readonly cgroup: MeshCgroup; readonly world: World; readonly endpoints: readonly EndpointProcess[] },
  ) {
    this.#options = options
    this.#cgroup = cgroup
    this.#endpoints = endpoints
    this.#world = world
    this.port = world.port
    this.#pools = poolsOf(world)
    this.#disturbances = [
      ['table', 20, () => this.#changeTable()],
      ['switch', 4, () => this.#switch()],
      ['pool', 10, () => this.#changePool()],
      ['death', 3, () => this.#killEndpoint()],
      ['restart', 1, () => this.#restart()],
    ]
  }

  static async open(options: FuzzOptions): Promise<FuzzedPath> {
    const cgroup = enterCgroup()
    const endpoints = await Promise.all(names.map((name, index) => EndpointProcess.open(name, options.seed + index)))
    const world = await openWorld(cgroup, { ...options, endpoints, port: await freePort() })
    return new FuzzedPath(options, { cgroup, world, endpoints })
  }

  get served(): number {
    return this.#servedBefore + (this.#isClosed ? 0 : servedBy(this.#world))
  }

  get reasons(): string {
    const reasons = [...this.#world.kernel.reasons()].map(([reason, count]) => `${reason} ${count}`)
    return `${reasons.join(', ')}; ${this.#fallbacksBefore + this.#world.fallbacks} connections`
  }

  async disturb(): Promise<string> {
    const all = this.#disturbances.flatMap(each => Array.from({ length: each[1] }, () => each))
    const [name, , act] = pick(this.#options.random, all)
    await act()
    return name
  }

  async settle(): Promise<void> {
    await this.#world.settle()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
    await Promise.all(this.#endpoints.map(endpoint => endpoint[Symbol.asyncDispose]()))
    await leaveCgroup(this.#cgroup)
  }

  async #changeTable(): Promise<void> {
    await Promise.resolve()
    this.#world.update(composeTable(this.#options.random, name => this.#pools.get(name)?.options.number ?? 0))
  }

  async #switch(): Promise<void> {
    this.#world.kernel.isOn = false
    await sleep(below(this.#options.random, 50))
    this.#world.kernel.isOn = true
  }

  /** An endpoint gets another pool; the old one gives up when nobody waits for it. */
  async #changePool(): Promise<void> {
    const endpoint = pick(this.#options.random, this.#endpoints)
    const number = firstSpareNumber + (this.#nextNumber++ % spareNumbers)
    const pool = this.#world.agent.openPool(poolOptions(endpoint, number))
    await until(() => pool.size >= poolSize)
    const before = this.#pools.get(endpoint.name)
    this.#pools = new Map([...this.#pools, [endpoint.name, pool]])
    await this.#changeTable()
    before?.retire({ mostMs: 15_000 })
  }

  async #killEndpoint(): Promise<void> {
    const { random } = this.#options
    const endpoint = pick(random, this.#endpoints)
    await this.#whileDead(() => dieForAWhile(endpoint, random))
  }

  async #restart(): Promise<void> {
    await this.#whileDead(async () => {
      await this.#close()
      this.#world = await openWorld(this.#cgroup, { ...this.#options, endpoints: this.#endpoints, port: this.port })
      this.#pools = poolsOf(this.#world)
      this.#isClosed = false
    })
  }

  async #close(): Promise<void> {
    this.#servedBefore = this.served
    this.#fallbacksBefore += this.#world.fallbacks
    this.#isClosed = true
    await this.#world[Symbol.asyncDispose]()
  }

  /** Requests that meet this may be lost, if they say so. */
  async #whileDead(act: () => Promise<void>): Promise<void> {
    this.#options.shared.nextEpoch()
    await act()
    await until(() => [...this.#pools.values()].every(pool => pool.size >= poolSize))
    await until(() => this.#isProxyWell())
    this.#options.shared.nextEpoch()
  }

  async #isProxyWell(): Promise<boolean> {
    for (const route of Object.keys(endpointsOf)) {
      for (let tries = 0; tries < 4; tries++) {
        await using client = await RawClient.open(this.#world.proxy.port)
        client.write(`GET /${route}/length/1?probe HTTP/1.1\r\nHost: shop\r\n\r\n`)
        const text = await client.receive(received => parseAnswer(received) !== undefined)
        if (!text.startsWith('HTTP/1.1 200')) return false
      }
    }
    return true
  }
}

function servedBy(world: World): number {
  return Array.from({ length: 40 }, (_, number) => Number(world.kernel.countedRequests(number))).reduce(
    (sum, each) => sum + each,
    0,
  )
}

function poolOptions({ port }: EndpointProcess, number: number): PoolOptions {
  return { number, address: '127.0.0.1', port, size: poolSize, idleMs: 1000 }
}

function poolsOf(world: World): ReadonlyMap<string, KernelPool> {
  return new Map(world.pools.map((pool, index) => [names[index] ?? '', pool]))
}

function openWorld(
  cgroup: MeshCgroup,
  {
    random,
    endpoints,
    port,
  }: Pick<FuzzOptions, 'random'> & { readonly endpoints: readonly EndpointProcess[]; readonly port: number },
): Promise<World> {
  const mesh: MeshSketch = {
    rules: Object.entries(endpointsOf).map(([route, of]) => ({ prefix: `/${route}`, backends: of })),
    backends: Object.fromEntries(endpoints.map(endpoint => [endpoint.name, { ports: [endpoint.port] }])),
  }
  const [first, ...others] = endpoints
  return World.open(cgroup, {
    backendPort: first?.port ?? 0,
    pooled: poolSize,
    idleMs: 1000,
    pools: others.map((endpoint, index) => poolOptions(endpoint, index + 2)),
    mesh,
    port,
    table: () => composeTable(random, name => names.indexOf(name) + 1),
  })
}
