import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { join } from 'node:path'
import { MeshCgroup, removeCgroups } from '../../src/datapath/index.ts'
import { HttpAgent, KernelHttp, listenerAt, pipeTo, TableWriter } from '../../src/kernel-http/index.ts'
import type {
  HttpAgentOptions,
  KernelPath,
  KernelPool,
  KernelService,
  PoolOptions,
} from '../../src/kernel-http/index.ts'
import { Bpf } from '../../src/kernel/index.ts'
import { freePort } from '../support/ports.ts'
import { startProxy } from '../support/proxy.ts'
import type { MeshSketch, TestProxy } from '../support/proxy.ts'
import { until } from '../support/until.ts'

export interface WorldOptions {
  /** Where the endpoint listens, on 127.0.0.1. It must have been opened in the world's cgroup: `inCgroup` first. */
  readonly backendPort: number
  /** Connections kept to it. @default 4 */
  readonly pooled?: number
  readonly idleMs?: number
  /** More pools than number 1. */
  readonly pools?: readonly PoolOptions[]
  /** What the proxy knows. @default everything leads to `backendPort` */
  readonly mesh?: MeshSketch
  /** Where the Service is. @default a free port */
  readonly port?: number
  readonly timeoutMs?: (count: number) => number | undefined
  readonly onUnread?: HttpAgentOptions['onUnread']
  readonly onReadAgain?: HttpAgentOptions['onReadAgain']
  readonly onEnded?: HttpAgentOptions['onEnded']
  /** @default everything leads to pool 1, and is rule 7 */
  readonly table?: (everything: KernelPath) => KernelService
}

const service = 1

/** Each path leads to this pool, and is rule 7. */
export function everythingTo(pool: number): KernelPath {
  const action = { kind: 'pools', targets: [{ pool, weight: 1, count: 7 }] } as const
  return { kind: 'prefix', value: '', rules: [{ fields: [], action, number: 7 }] }
}

/**
 * This process, moved to a cgroup of its own, so that sockets made from now on are of the mesh. Ends with `leaveCgroup`.
 */
export function enterCgroup(): MeshCgroup {
  const cgroup = MeshCgroup.open(`heddle-http-${process.pid}-${Math.random().toString(36).slice(2, 8)}`)
  writeFileSync(join(cgroup.enter('test/all'), 'cgroup.procs'), String(process.pid))
  return cgroup
}

export async function leaveCgroup(cgroup: MeshCgroup): Promise<void> {
  writeFileSync(join(cgroup.folder, '..', 'cgroup.procs'), String(process.pid))
  await until(() => removeCgroups(cgroup.folder).length === 0)
}

/** A Service on the path, with Heddle's proxy for all that is not, before one endpoint. */
export class World implements AsyncDisposable {
  readonly port: number
  readonly kernel: KernelHttp
  readonly agent: HttpAgent
  readonly writer: TableWriter
  readonly proxy: TestProxy
  /** In the order of their options. */
  readonly pools: KernelPool[] = []
  /** Connections that the agent handed over. */
  fallbacks = 0
  /** Those of them of which programs knew nothing when they were accepted: they had ended already. */
  strangers = 0
  readonly #bpf: Bpf
  readonly #listener: Server
  readonly #sockets: Set<Socket>

  private constructor(parts: Pick<World, 'port' | 'kernel' | 'agent' | 'writer' | 'proxy'>, rest: WorldRest) {
    this.port = parts.port
    this.kernel = parts.kernel
    this.agent = parts.agent
    this.writer = parts.writer
    this.proxy = parts.proxy
    this.#bpf = rest.bpf
    this.#listener = rest.listener
    this.#sockets = rest.sockets
  }

  static async open(cgroup: MeshCgroup, options: WorldOptions): Promise<World> {
    const { backendPort } = options
    const mesh = options.mesh ?? { rules: [{ backends: ['b'] }], backends: { b: { ports: [backendPort] } } }
    const proxy = await startProxy(mesh)
    const bpf = new Bpf({ traceOpens: true })
    const kernel = KernelHttp.open(bpf, { memberLevel: cgroup.memberLevel })
    const port = options.port ?? (await freePort())
    const sockets = new Set<Socket>()
    const toProxy = pipeTo('127.0.0.1', proxy.port)
    const agent = new HttpAgent({
      kernel,
      ...limited(options.timeoutMs),
      ...(options.onUnread === undefined ? {} : { onUnread: options.onUnread }),
      ...(options.onReadAgain === undefined ? {} : { onReadAgain: options.onReadAgain }),
      ...(options.onEnded === undefined ? {} : { onEnded: options.onEnded }),
      onFallback: (socket, bytes) => {
        world.fallbacks++
        if (bytes.length === 0) world.strangers++
        toProxy(socket, bytes)
      },
    })
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      agent.accept(socket)
    })
    await once(listener.listen(port, '127.0.0.1'), 'listening')
    const writer = new TableWriter(kernel)
    const world = new World({ port, kernel, agent, writer, proxy }, { bpf, listener, sockets })
    try {
      await world.#begin(cgroup, options)
      return world
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
  }

  async #begin(cgroup: MeshCgroup, options: WorldOptions): Promise<void> {
    const { backendPort, pooled = 4, idleMs = 4000, table = everything => ({ paths: [everything] }) } = options
    const { kernel, port, writer } = this
    kernel.attach(cgroup.folder)
    kernel.map('kh_listeners').set(listenerAt(kernel.netns, '127.0.0.1', port), service)
    writer.write(service, table(everythingTo(1)))
    kernel.isOn = true
    const first = { number: 1, address: '127.0.0.1', port: backendPort, size: pooled, idleMs }
    for (const each of [first, ...(options.pools ?? [])]) this.pools.push(this.agent.openPool(each))
    await until(() => this.pools.every(pool => pool.size >= (pool.options.size ?? 0)))
  }

  update(table: KernelService): void {
    this.writer.write(service, table)
  }

  /** Connections of clients that this process still has. */
  get accepted(): readonly Socket[] {
    return [...this.#sockets]
  }

  /** Responses that were counted on the path. */
  get served(): number {
    return Number(this.kernel.countedRequests(7))
  }

  /** No entry of a client that is gone, and as many idle connections as there are. */
  async settle(): Promise<void> {
    const { kernel, agent } = this
    await until(
      () => {
        const clients = [...kernel.map('kh_clients').entries()].length
        const pairs = [...kernel.map('kh_pairs').entries()].length
        const backends = [...kernel.map('kh_backends').entries()]
        assert.deepEqual({ clients, pairs }, { clients: 0, pairs: 0 })
        assert.equal(backends.length, agent.sizes.pooled)
        assert.ok(backends.every(([, { owner, state }]) => owner === 0n && state === 0))
        assert.equal(agent.sizes.clients, 0)
        return true
      },
      { explain: () => `${agent.sizes.clients} clients, ${agent.sizes.pooled} pooled` },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.agent[Symbol.dispose]()
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#listener.close(resolve))
    await this.proxy[Symbol.asyncDispose]()
    this.kernel[Symbol.dispose]()
    const left = this.#bpf.openDescriptors().map(({ stack }) => stack)
    this.#bpf[Symbol.dispose]()
    assert.deepEqual(left, [], 'descriptors left open')
  }
}

/** Without time limits the agent need not look for whom they are over. */
function limited(timeoutMs: WorldOptions['timeoutMs']): Pick<HttpAgentOptions, 'limitsOf'> {
  if (timeoutMs === undefined) return {}
  return {
    limitsOf: count => {
      const limitMs = timeoutMs(count)
      return limitMs === undefined ? undefined : { requestMs: limitMs, beginMs: limitMs }
    },
  }
}

interface WorldRest {
  readonly bpf: Bpf
  readonly listener: Server
  readonly sockets: Set<Socket>
}
