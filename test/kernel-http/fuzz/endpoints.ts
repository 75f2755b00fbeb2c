import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../support/ports.ts'
import { below } from './operation.ts'
import type { Random } from './operation.ts'

const script = fileURLToPath(new URL('endpoint.ts', import.meta.url))

/** A process that can die and come back at its port. */
export class EndpointProcess implements AsyncDisposable {
  readonly name: string
  readonly port: number
  readonly #seed: number
  #child: ChildProcess | undefined

  private constructor(name: string, port: number, seed: number) {
    this.name = name
    this.port = port
    this.#seed = seed
  }

  static async open(name: string, seed: number): Promise<EndpointProcess> {
    const endpoint = new EndpointProcess(name, await freePort(), seed)
    await endpoint.start()
    return endpoint
  }

  async start(): Promise<void> {
    const child = fork(script, [this.name, String(this.port), String(this.#seed)])
    this.#child = child
    await once(child, 'message')
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#child = undefined
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}

/** Up to 200 ms. */
export async function dieForAWhile(endpoint: EndpointProcess, random: Random): Promise<void> {
  await endpoint.kill()
  await sleep(below(random, 200))
  await endpoint.start()
}
