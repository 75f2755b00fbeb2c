import type { EndpointState } from './endpoint-state.ts'
import { rampEndMs, rampFactor } from './slow-start.ts'
import { TurnHeap } from './turn-heap.ts'

/** Source of randomness, in [0, 1). */
export interface Random {
  random(): number
}

/**
 * The candidates of a plan, compiled for drawing by weight in constant time
 * (Walker's alias method) and for taking turns. Thrown away when the plan
 * changes; what must survive is kept in the states.
 */
export class EndpointGroup {
  readonly states: readonly EndpointState[]
  readonly slowStartMs: number
  /** Whether all weights are equal and nobody ramps up: the fast path. */
  readonly isEven: boolean
  readonly isRamping: boolean
  readonly meanWeight: number
  /** Undefined when the weights are equal. */
  readonly #alias: AliasTable | undefined
  #turns: TurnHeap | undefined
  #cursor = -1

  constructor(states: readonly EndpointState[], slowStartMs: number, nowMs: number) {
    this.states = states
    this.slowStartMs = slowStartMs
    const firstWeight = states[0]?.endpoint.weight
    const sameWeight = states.every(state => state.endpoint.weight === firstWeight)
    this.isRamping = slowStartMs > 0 && states.some(state => rampEndMs(state, slowStartMs) > nowMs)
    this.isEven = sameWeight && !this.isRamping
    const total = states.reduce((sum, state) => sum + state.endpoint.weight, 0)
    this.meanWeight = states.length === 0 ? 1 : total / states.length
    this.#alias = sameWeight ? undefined : buildAlias(states, this.meanWeight)
  }

  /** Weight relative to the average, ramp included. */
  relativeWeight(state: EndpointState, nowMs: number): number {
    if (this.isEven) return 1
    const relative = state.endpoint.weight / this.meanWeight
    return this.isRamping ? relative * rampFactor(state, this.slowStartMs, nowMs) : relative
  }

  /** An index drawn by weight. The group must not be empty. */
  draw(source: Random, nowMs: number): number {
    let index = this.#drawByWeight(source)
    if (!this.isRamping) return index
    // Drawing again what the ramp refuses gives exact shares. It ends at the
    // last one when nearly everyone ramps, and then the shares hardly differ.
    for (let redraws = 0; redraws < mostRedraws; redraws++) {
      const state = this.states[index]
      if (state === undefined || source.random() < rampFactor(state, this.slowStartMs, nowMs)) break
      index = this.#drawByWeight(source)
    }
    return index
  }

  /** An index other than `first`, to compare with. The group must have two or more members. */
  drawOther(first: number, source: Random, nowMs: number): number {
    const count = this.states.length
    if (count === 2) return 1 - first
    if (!this.isEven) {
      const second = this.draw(source, nowMs)
      if (second !== first) return second
    }
    const second = first + 1 + Math.floor(source.random() * (count - 1))
    return second >= count ? second - count : second
  }

  /** Whose turn it is in round robin. The group must not be empty. */
  takeTurn(source: Random, nowMs: number): number {
    return this.isEven ? this.#takeEvenTurn(source) : this.#takeWeightedTurn(source, nowMs)
  }

  /** Hands the turns of this group on to the one that replaces it. */
  saveTurns(): void {
    const { states, meanWeight } = this
    if (this.#turns !== undefined) {
      this.#turns.forEach((member, ahead) => {
        const state = states[member]
        if (state === undefined) return
        const phase = (ahead * state.endpoint.weight) / meanWeight
        state.turnPhase = Math.min(1, Math.max(leastPhase, phase))
      })
    } else if (this.#cursor >= 0) {
      const count = states.length
      for (let i = 0; i < count; i++) {
        const state = states[i]
        if (state !== undefined) state.turnPhase = (((i - this.#cursor + count) % count) + 1) / count
      }
    }
  }

  #takeEvenTurn(source: Random): number {
    const count = this.states.length
    if (this.#cursor < 0) this.#cursor = this.#findFirstTurn(source)
    const index = this.#cursor
    this.#cursor = index + 1 >= count ? 0 : index + 1
    return index
  }

  /** Goes on where the group before this one stopped; workers that begin anew begin at different places. */
  #findFirstTurn(source: Random): number {
    let first = -1
    let leastLeft = Infinity
    for (let i = 0; i < this.states.length; i++) {
      const phase = this.states[i]?.turnPhase ?? 0
      if (phase > 0 && phase < leastLeft) {
        first = i
        leastLeft = phase
      }
    }
    return first === -1 ? Math.floor(source.random() * this.states.length) : first
  }

  #takeWeightedTurn(source: Random, nowMs: number): number {
    this.#turns ??= this.#buildTurns(source)
    const index = this.#turns.top
    const state = this.states[index]
    this.#turns.advance(state === undefined ? 1 : 1 / this.relativeWeight(state, nowMs))
    return index
  }

  #buildTurns(source: Random): TurnHeap {
    const turns = new TurnHeap(this.states.length)
    const start = source.random()
    for (let i = 0; i < this.states.length; i++) {
      const state = this.states[i]
      if (state === undefined) continue
      const phase = state.turnPhase > 0 ? state.turnPhase : 1 - ((start + i * goldenRatio) % 1)
      turns.push(i, (phase * this.meanWeight) / state.endpoint.weight)
    }
    return turns
  }

  #drawByWeight(source: Random): number {
    const scaled = source.random() * this.states.length
    const index = Math.floor(scaled)
    if (this.#alias === undefined) return index
    return scaled - index < (this.#alias.keep[index] ?? 1) ? index : (this.#alias.instead[index] ?? index)
  }
}

/** Column i gives i with probability `keep[i]`, else `instead[i]`. */
interface AliasTable {
  readonly keep: Float64Array
  readonly instead: Uint32Array
}

function buildAlias(states: readonly EndpointState[], meanWeight: number): AliasTable {
  const keep = Float64Array.from(states, state => state.endpoint.weight / meanWeight)
  const instead = Uint32Array.from(states, (_, index) => index)
  const small: number[] = []
  const large: number[] = []
  for (let i = 0; i < keep.length; i++) ((keep[i] ?? 0) < 1 ? small : large).push(i)
  for (;;) {
    const less = small.at(-1)
    const more = large.at(-1)
    if (less === undefined || more === undefined) break
    small.pop()
    instead[less] = more
    const left = (keep[more] ?? 0) - (1 - (keep[less] ?? 0))
    keep[more] = left
    if (left < 1) {
      large.pop()
      small.push(more)
    }
  }
  // What rounding left over fills its own column.
  for (const index of small) keep[index] = 1
  for (const index of large) keep[index] = 1
  return { keep, instead }
}

const mostRedraws = 12
const goldenRatio = 0.618033988749895
const leastPhase = 1e-6
