import { randomBytes } from 'node:crypto'
import { Socket } from 'node:net'
import type { Clock, Timer } from '../../core/index.ts'
import { httpLayout } from '../../kernel-http/index.ts'
import type { Holder } from '../../kernel-http/index.ts'
import type { AgentKeeper } from '../handover/agent-keeper.ts'
import { descriptorOf } from './given-socket.ts'

/** Telling the keeper costs more than a short connection does, and those are over before they are told of. */
const gatherMs = 10
const mark = 'path'

/** Programs, maps and connections of one agent belong together, `path LAYOUT RANDOM`; the layout is that of its maps. */
export function newGeneration(): string {
  return `${mark} ${httpLayout()} ${randomBytes(4).toString('hex')}`
}

/** By generation, the names that agents before this one have left, without their beginning. */
export function leftOf(keeper: Pick<AgentKeeper, 'left'>): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const name of keeper.left) {
    const words = name.split(' ')
    if (words[0] !== mark) continue
    const generation = words.slice(0, 3).join(' ')
    found.set(generation, [...(found.get(generation) ?? []), words.slice(3).join(' ')])
  }
  return found
}

/** What the path has, held by the keeper. A connection that ends less than 10 ms after it began is never told of. */
export class PathHolder implements Holder, Disposable {
  readonly #keeper: Pick<AgentKeeper, 'keep' | 'drop' | 'isThere'>
  readonly #clock: Clock
  readonly #generation: string
  readonly #held: Set<string>
  readonly #toHold = new Map<string, number | Socket>()
  readonly #toDrop = new Set<string>()
  #timer: Timer | undefined
  #isLeft = false

  /** @param held  names that the keeper has already */
  constructor(
    keeper: Pick<AgentKeeper, 'keep' | 'drop' | 'isThere'>,
    options: { readonly clock: Clock; readonly generation: string; readonly held?: Iterable<string> },
  ) {
    this.#keeper = keeper
    this.#clock = options.clock
    this.#generation = options.generation
    this.#held = new Set(options.held)
  }

  hold(name: string, of: number | Socket): void {
    this.#toHold.set(name, of)
    this.#later()
  }

  release(name: string): void {
    this.#toHold.delete(name)
    if (!this.#held.delete(name)) return
    this.#toDrop.add(name)
    this.#later()
  }

  #later(): void {
    this.#timer ??= this.#clock.after(gatherMs, () => this.#tell()).unref()
  }

  flush(): boolean {
    this.#tell()
    return this.#keeper.isThere
  }

  /** What is held stays so beyond the end of this, for the next agent. */
  leave(): void {
    this.#isLeft = true
  }

  #tell(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    const fullName = (name: string): string => `${this.#generation} ${name}`
    const dropped = [...this.#toDrop].filter(name => !this.#toHold.has(name))
    this.#toDrop.clear()
    this.#keeper.drop(dropped.map(fullName))
    const entries = [...this.#toHold].flatMap(([name, of]) => {
      const fd = of instanceof Socket ? descriptorOf(of) : of
      return fd === undefined ? [] : [{ name, fd }]
    })
    this.#toHold.clear()
    for (const { name } of entries) this.#held.add(name)
    this.#keeper.keep(
      'socket',
      entries.map(({ name, fd }) => ({ name: fullName(name), fd })),
    )
  }

  /** Nothing is left to the next agent, unless it was said that it is. */
  [Symbol.dispose](): void {
    this.#toHold.clear()
    if (!this.#isLeft) {
      for (const name of this.#held) this.#toDrop.add(name)
      this.#held.clear()
    }
    this.#tell()
  }
}
