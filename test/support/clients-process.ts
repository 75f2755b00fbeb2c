import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ProxyLimits } from '../../src/proxy/index.ts'
import type { MeshSketch } from './proxy.ts'

export type HostRequest =
  | { readonly kind: 'start'; readonly sketch: MeshSketch; readonly limits: Partial<ProxyLimits> }
  | { readonly kind: 'ping' }
  | { readonly kind: 'figures' }
  | { readonly kind: 'gauges' }

/** What costs nothing to tell. */
export interface HostGauges {
  readonly kind: 'gauges'
  readonly gauges: Readonly<Record<string, number>>
  readonly activeRequests: number
}

export interface HostFigures {
  readonly kind: 'figures'
  /** After a garbage collection, like the next two. */
  readonly rssBytes: number
  readonly arrayBufferBytes: number
  readonly heapBytes: number
  /** The most it ever was. */
  readonly peakRssBytes: number
  readonly cpuMicros: number
  readonly gauges: Readonly<Record<string, number>>
  readonly activeRequests: number
}

export type HostAnswer =
  | { readonly kind: 'started'; readonly port: number }
  | { readonly kind: 'pong' }
  | HostFigures
  | HostGauges

const stillTurns = 200

/** Request and answer over the channel of a forked script. */
export class Helper implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  #nextId = 0

  constructor(script: string, execArgv: readonly string[] = []) {
    this.#child = fork(fileURLToPath(new URL(script, import.meta.url)), { execArgv: [...execArgv] })
    this.#child.on('message', (message: { id: number; result?: unknown; error?: string }) => {
      const waiting = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      if (message.error === undefined) waiting?.resolve(message.result)
      else waiting?.reject(new Error(message.error))
    })
    this.#child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${script} ended (${code ?? signal})`))
      this.#waiting.clear()
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async ask(request: unknown): Promise<unknown> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, request }, error => {
        if (error !== null) reject(error)
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}

/** A proxy in a process of its own. */
export class ProxyProcess implements AsyncDisposable {
  readonly port: number
  readonly #helper: Helper

  constructor(helper: Helper, port: number) {
    this.#helper = helper
    this.port = port
  }

  static async start(sketch: MeshSketch, limits: Partial<ProxyLimits> = {}): Promise<ProxyProcess> {
    const helper = new Helper('./clients-host.ts', ['--expose-gc'])
    const request: HostRequest = { kind: 'start', sketch, limits }
    const answer = (await helper.ask(request)) as HostAnswer
    if (answer.kind !== 'started') throw new Error('the host did not start')
    return new ProxyProcess(helper, answer.port)
  }

  async figures(): Promise<HostFigures> {
    const request: HostRequest = { kind: 'figures' }
    const answer = (await this.#helper.ask(request)) as HostAnswer
    if (answer.kind !== 'figures') throw new Error('no figures')
    return answer
  }

  async gauges(): Promise<HostGauges> {
    const request: HostRequest = { kind: 'gauges' }
    const answer = (await this.#helper.ask(request)) as HostAnswer
    if (answer.kind !== 'gauges') throw new Error('no gauges')
    return answer
  }

  /** Open descriptors of the process, as the kernel counts them. */
  descriptors(): number {
    return readdirSync(`/proc/${this.#helper.pid}/fd`).length
  }

  /**
   * Waits until nothing moves any more: `moved` stays the same over many turns
   * of both processes. It may come back early when a machine is very busy, so
   * that what is asserted then must hold at any time.
   */
  async untilStill(moved: () => number): Promise<void> {
    const request: HostRequest = { kind: 'ping' }
    let still = 0
    let before = NaN
    while (still < stillTurns) {
      await this.#helper.ask(request)
      const now = moved()
      still = now === before ? still + 1 : 0
      before = now
    }
  }

  /** Asks for figures again and again until they satisfy; a test's own time limit ends the wait. */
  async until(satisfied: (figures: HostFigures) => boolean): Promise<HostFigures> {
    for (;;) {
      const figures = await this.figures()
      if (satisfied(figures)) return figures
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#helper[Symbol.asyncDispose]()
  }
}
