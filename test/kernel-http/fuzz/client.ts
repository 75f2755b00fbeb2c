/** A thread of clients: each holds conversations, one after the other, and checks every answer. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { resetSocket } from '../../../src/core/index.ts'
import { seededRandom } from '../../../src/proxy/routing/fixtures.ts'
import { parseAnswer, RawClient } from '../../support/raw.ts'
import type { Answer } from '../../support/raw.ts'
import { badKinds, below, compose, faultOf, lastKinds, pick } from './operation.ts'
import type { Operation, Random } from './operation.ts'
import { Shared } from './shared.ts'

export interface ClientOptions {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly seed: number
  readonly clients: number
  readonly memory: SharedArrayBuffer
}

/** An answer that does not come at all is lost; nothing here takes nearly so long. */
const mostWaitMs = 90_000

const { name, host, port, seed, clients, memory } = workerData as ClientOptions
const shared = new Shared(memory)
const styles = [
  'plain',
  'plain',
  'plain',
  'plain',
  'split',
  'split',
  'pipelined',
  'abort',
  'half-close',
  'slow',
] as const
type Style = (typeof styles)[number]
const tameStyles: readonly Style[] = ['plain', 'plain', 'plain', 'slow']

class Conversation {
  readonly #random: Random
  readonly #client: RawClient
  readonly #nextTag: () => string
  readonly #isTame: boolean
  /** When it was last known to be sound. */
  #epoch = shared.epoch
  /** For reports. */
  readonly #history: string[] = []

  constructor(client: RawClient, random: Random, nextTag: () => string) {
    this.#client = client
    this.#random = random
    this.#nextTag = nextTag
    this.#isTame = below(random, 3) > 0
  }

  async run(): Promise<void> {
    for (let left = 1 + below(this.#random, 24); left > 0 && !shared.isOver; left--) {
      // One that is tame all the time would never leave the path.
      const isTame = this.#isTame && left > 1
      const style = pick(this.#random, isTame ? tameStyles : styles)
      if (!(await this.#round(style, isTame))) return
    }
  }

  /** @returns whether the connection can be used again */
  async #round(style: Style, isTame: boolean): Promise<boolean> {
    const operations = this.#compose(style === 'pipelined' ? 2 + below(this.#random, 5) : 1, isTame)
    this.#history.push(
      `${style}: ${operations.map(({ method, route, kind, size, body }) => `${method} ${route} ${kind} ${size} +${body.length}`).join(', ')}`,
    )
    shared.count(operations.length)
    const text = operations.map(each => each.text).join('')
    if (style === 'abort') return this.#abort(text)
    if (style === 'slow') this.#client.socket.pause()
    await this.#write(text, isTame ? 0 : this.#cuts(style))
    if (style === 'half-close') this.#client.socket.end()
    if (style === 'slow') {
      for (let left = below(this.#random, 40); left > 0; left--) await turn()
      if (below(this.#random, 4) === 0) await sleep(below(this.#random, 60))
      this.#client.socket.resume()
    }
    for (const operation of operations) if (!(await this.#expect(operation))) return false
    return style !== 'half-close'
  }

  /** Nothing follows what ends a connection, and where that is a reset it may take answers before it with it. */
  #compose(count: number, isTame: boolean): readonly Operation[] {
    const operations: Operation[] = []
    while (operations.length < count && !lastKinds.has(operations.at(-1)?.kind ?? '')) {
      const next = compose(this.#random, this.#nextTag(), isTame)
      if (operations.length === 0 || !badKinds.has(next.kind)) operations.push(next)
    }
    return operations
  }

  #cuts(style: Style): number {
    return style === 'split' || below(this.#random, 6) === 0 ? 1 + below(this.#random, 4) : 0
  }

  async #write(text: string, cuts: number): Promise<void> {
    // Most of the cuts that matter are in heads.
    const places = Array.from({ length: cuts }, (_, index) =>
      below(this.#random, index % 2 === 0 ? Math.min(300, text.length) : text.length),
    )
    let at = 0
    for (const place of places.toSorted((a, b) => a - b)) {
      this.#client.write(text.slice(at, place))
      at = place
      for (let turns = below(this.#random, 4); turns > 0; turns--) await turn()
    }
    this.#client.write(text.slice(at))
  }

  async #abort(text: string): Promise<boolean> {
    await this.#write(
      below(this.#random, 2) === 0 ? text : text.slice(0, below(this.#random, text.length)),
      this.#cuts('split'),
    )
    for (let turns = below(this.#random, 12); turns > 0; turns--) await turn()
    if (below(this.#random, 2) === 0) resetSocket(this.#client.socket)
    else this.#client.socket.destroy()
    return false
  }

  async #expect(operation: Operation): Promise<boolean> {
    const answer = await this.#answer(operation)
    const { epoch } = shared
    const isExcused = badKinds.has(operation.kind) || epoch !== this.#epoch || epoch % 2 === 1
    if (answer === 'late') {
      this.#report(operation, `no answer within ${mostWaitMs / 1000} s`)
      return false
    }
    if (answer === 'closed') {
      if (isExcused) shared.countCut()
      else this.#report(operation, `lost: the connection ended (${this.#client.error ?? 'closed'})`)
      return false
    }
    if (isExcused && [502, 503, 504].includes(answer.status)) {
      shared.countCut()
      return false
    }
    const fault = badKinds.has(operation.kind)
      ? `an answer of status ${answer.status} by an endpoint that gave none`
      : faultOf(operation, answer)
    if (fault !== undefined && !(isExcused && operation.kind === 'until-close')) this.#report(operation, fault)
    this.#epoch = epoch
    return !lastKinds.has(operation.kind) && fault === undefined && answer.headers.get('connection') !== 'close'
  }

  async #answer(operation: Operation): Promise<Answer | 'closed' | 'late'> {
    const client = this.#client
    let found: Answer | undefined
    let isLate = false
    const look = (): boolean => {
      const isClosed = client.hasEnded || client.isClosed
      for (;;) {
        const answer = parseAnswer(client.received, { isHead: operation.method === 'HEAD', isClosed })
        if (answer === undefined) return isClosed || isLate
        client.received = answer.rest
        if (answer.status < 200) continue
        found = answer
        return true
      }
    }
    const timer = setTimeout(() => {
      isLate = true
      client.socket.destroy()
    }, mostWaitMs)
    await client.receive(look).catch(() => {})
    clearTimeout(timer)
    return isLate ? 'late' : (found ?? 'closed')
  }

  #report({ tag, text }: Operation, fault: string): void {
    const history = this.#history.join(' | ')
    const more = `asked ${JSON.stringify(text.slice(0, 120))}, unread ${JSON.stringify(this.#client.received.slice(0, 200))}`
    parentPort?.postMessage(`${tag}: ${fault}; from port ${this.#client.socket.localPort}, ${more}; before: ${history}`)
  }
}

async function open(): Promise<RawClient | undefined> {
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true })
  try {
    await once(socket, 'connect')
    return new RawClient(socket)
  } catch {
    // It is between two runtimes.
    socket.destroy()
    await sleep(20)
    return undefined
  }
}

async function beClient(index: number): Promise<void> {
  const random = seededRandom(seed * 1000 + index)
  let count = 0
  while (!shared.isOver) {
    const client = await open()
    if (client === undefined) continue
    await new Conversation(client, random, () => `${name}${index}-${count++}`).run()
    await client[Symbol.asyncDispose]()
  }
}

await Promise.all(Array.from({ length: clients }, (_, index) => beClient(index)))
