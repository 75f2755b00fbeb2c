import { Outcome } from '../../model/index.ts'
import type { Backend, BackendSettings, Endpoint, OutlierDetection } from '../../model/index.ts'
import { EndpointGroup } from './endpoint-group.ts'
import type { Random } from './endpoint-group.ts'
import { EndpointState } from './endpoint-state.ts'
import type { HashTable } from './hash-table.ts'
import { buildMaglev } from './maglev-table.ts'
import { LatencyEstimator } from './peak-ewma.ts'
import { planCandidates } from './plan.ts'
import type { EndpointCounts, Plan } from './plan.ts'
import { buildRing } from './ring-table.ts'

/** What a pick may depend on. The caller reuses the object. */
export interface PickContext extends Random {
  nowMs: number
  /** 32-bit hash of the hash source, 0 to 2^32 - 1; -1 when the request has none. */
  hash: number
  /** Endpoints already tried for this request: avoided while others remain. */
  tried: readonly EndpointState[] | undefined
}

/**
 * Judges a try: counts it in the state and, when that makes the endpoint an
 * outlier, sets `ejectedUntilMs` and returns the reason.
 */
export type OutlierRule = (
  state: EndpointState,
  outcome: Outcome,
  settings: OutlierDetection,
  scope: { readonly endpoints: number; readonly ejected: number },
  nowMs: number,
) => string | undefined

export interface BalancerOptions {
  /** Zone of this node; empty when unknown. */
  readonly zone: string
  readonly nowMs: number
  /** Undefined for no passive health. */
  readonly outlier: OutlierRule | undefined
  readonly onEject?: (endpoint: Endpoint, reason: string) => void
}

/**
 * Chooses the endpoint of each try, for one backend in one worker.
 *
 * The common path costs a time comparison and the algorithm itself: which
 * endpoints are candidates, and the tables to draw from, are compiled when
 * membership, health or an ejection changes, or when time ends an ejection or
 * ramp. Consistent hashing ignores zones and slow start, because a key must go
 * to the same endpoint from everywhere; requests without a key are drawn at
 * random. Latency and outliers are this worker's own observations.
 */
export class Balancer {
  readonly #options: BalancerOptions
  readonly #estimator = new LatencyEstimator()
  #backend: Backend
  #states: EndpointState[] = []
  #byId = new Map<string, EndpointState>()
  #plan: Plan
  #preferred: EndpointGroup
  #others: EndpointGroup
  #hashed: readonly EndpointState[] = []
  #table: HashTable | undefined
  #scope = { endpoints: 0, ejected: 0 }

  constructor(backend: Backend, options: BalancerOptions) {
    this.#backend = backend
    this.#options = options
    this.#adopt(backend.endpoints, -Infinity, options.nowMs)
    this.#rebuildTable()
    this.#plan = planCandidates(this.#states, backend.settings, options.zone, options.nowMs)
    this.#preferred = new EndpointGroup([], 0, options.nowMs)
    this.#others = this.#preferred
    this.#replan(options.nowMs)
  }

  /** All endpoints of the backend, draining ones too. */
  get states(): readonly EndpointState[] {
    return this.#states
  }

  get backend(): Backend {
    return this.#backend
  }

  /** Whether so few endpoints are healthy that all get traffic. */
  get isPanic(): boolean {
    return this.#plan.isPanic
  }

  /**
   * Takes a newer version of the same backend: endpoints that stay keep their
   * state. Returns those that went, for the engine to drain.
   */
  update(backend: Backend, nowMs: number): EndpointState[] {
    if (backend === this.#backend) return []
    const before = this.#backend
    this.#backend = backend
    const change = this.#adopt(backend.endpoints, nowMs, nowMs)
    const { loadBalancing } = backend.settings
    if (change.reweighted || !isSameTable(before.settings.loadBalancing, loadBalancing)) this.#rebuildTable()
    if (change.touched || before.settings !== backend.settings) this.#replan(nowMs)
    return change.gone
  }

  /** Undefined when there is no endpoint that may be used. */
  pick(context: PickContext): EndpointState | undefined {
    if (context.nowMs >= this.#plan.nextChangeMs) this.#replan(context.nowMs)
    if (this.#table !== undefined && context.hash >= 0) return this.#pickHashed(this.#table, context)
    const { preferredShare } = this.#plan
    const isNear = preferredShare === 1 || (preferredShare > 0 && context.random() < preferredShare)
    const group = isNear ? this.#preferred : this.#others
    if (group.states.length === 0) return undefined
    const state = this.#pickFrom(group, context)
    if (context.tried === undefined || state === undefined || !context.tried.includes(state)) return state
    return this.#pickUntried(group, context, context.tried) ?? state
  }

  /** For session persistence. */
  find(id: string): EndpointState | undefined {
    return this.#byId.get(id)
  }

  /** Whether a new request may go to this endpoint; false for one that left the backend. */
  isUsable(state: EndpointState, nowMs: number): boolean {
    if (nowMs >= this.#plan.nextChangeMs) this.#replan(nowMs)
    return state.isCandidate
  }

  /** The engine reports how each try ended. @param latencyMs  from sending the try to the first byte or the failure */
  onResult(state: EndpointState, outcome: Outcome, latencyMs: number, nowMs: number): void {
    const { settings } = this.#backend
    if (settings.loadBalancing.kind === 'PeakEwma') {
      this.#estimator.observe(state, latencyMs, nowMs, { failed: outcome !== Outcome.success })
    }
    const { outlier } = this.#options
    if (outlier === undefined || state.isGone) return
    if (nowMs >= this.#plan.nextChangeMs) this.#replan(nowMs)
    const reason = outlier(state, outcome, settings.outlierDetection, this.#scope, nowMs)
    if (reason === undefined) return
    this.#replan(nowMs)
    this.#options.onEject?.(state.endpoint, reason)
  }

  /** Endpoints by state, for metrics. */
  counts(nowMs: number): EndpointCounts {
    if (nowMs >= this.#plan.nextChangeMs) this.#replan(nowMs)
    return this.#plan.counts
  }

  #pickFrom(group: EndpointGroup, context: PickContext): EndpointState | undefined {
    const { states } = group
    if (states.length === 1) return states[0]
    switch (this.#backend.settings.loadBalancing.kind) {
      case 'RoundRobin':
        return states[group.takeTurn(context, context.nowMs)]
      case 'LeastRequest':
        return pickLessBusy(group, context)
      case 'PeakEwma':
        return pickCheaper(group, context, this.#estimator)
      case 'Random':
      case 'RingHash':
      case 'Maglev':
        return states[group.draw(context, context.nowMs)]
    }
  }

  #pickUntried(group: EndpointGroup, context: PickContext, tried: readonly EndpointState[]): EndpointState | undefined {
    for (let attempts = 0; attempts < 3; attempts++) {
      const state = this.#pickFrom(group, context)
      if (state !== undefined && !tried.includes(state)) return state
    }
    const rest = group === this.#preferred ? this.#others : this.#preferred
    return findUntried(group.states, context, tried) ?? findUntried(rest.states, context, tried)
  }

  #pickHashed(table: HashTable, context: PickContext): EndpointState | undefined {
    const { owners } = table
    const first = table.slotOf(context.hash)
    const { tried } = context
    let fallback: EndpointState | undefined
    for (let step = 0, slot = first; step < owners.length; step++) {
      const state = this.#hashed[owners[slot] ?? 0]
      if (state !== undefined && state.isCandidate) {
        if (tried === undefined || !tried.includes(state)) return state
        fallback ??= state
      }
      if (++slot === owners.length) slot = 0
    }
    return fallback
  }

  #replan(nowMs: number): void {
    for (const state of this.#states) {
      if (state.ejectedUntilMs === 0 || state.ejectedUntilMs > nowMs) continue
      state.recoveredMs = state.ejectedUntilMs
      state.ejectedUntilMs = 0
    }
    const { settings } = this.#backend
    const plan = planCandidates(this.#states, settings, this.#options.zone, nowMs)
    this.#preferred.saveTurns()
    this.#others.saveTurns()
    this.#plan = plan
    this.#preferred = new EndpointGroup(plan.preferred, settings.slowStartMs, nowMs)
    this.#others = new EndpointGroup(plan.others, settings.slowStartMs, nowMs)
    for (const state of this.#states) state.isCandidate = false
    for (const state of plan.preferred) state.isCandidate = true
    for (const state of plan.others) state.isCandidate = true
    const { counts } = plan
    this.#scope = { endpoints: counts.healthy + counts.unhealthy + counts.ejected, ejected: counts.ejected }
  }

  #adopt(endpoints: readonly Endpoint[], addedMs: number, nowMs: number): Adoption {
    const before = this.#byId
    const byId = new Map<string, EndpointState>()
    const states: EndpointState[] = []
    let reweighted = false
    let touched = false
    for (const endpoint of endpoints) {
      if (byId.has(endpoint.id)) continue
      let state = before.get(endpoint.id)
      if (state === undefined) {
        state = new EndpointState(endpoint, addedMs)
        reweighted = true
      } else if (state.endpoint !== endpoint) {
        const was = state.endpoint
        reweighted ||= was.weight !== endpoint.weight || was.draining !== endpoint.draining
        touched = true
        renew(state, endpoint, nowMs)
      }
      byId.set(endpoint.id, state)
      states.push(state)
    }
    const gone: EndpointState[] = []
    for (const state of this.#states) {
      if (byId.has(state.id)) continue
      state.isCandidate = false
      state.isGone = true
      gone.push(state)
    }
    this.#byId = byId
    this.#states = states
    reweighted ||= gone.length > 0
    return { gone, reweighted, touched: touched || reweighted }
  }

  #rebuildTable(): void {
    const { loadBalancing } = this.#backend.settings
    this.#table = undefined
    this.#hashed = []
    if (loadBalancing.kind !== 'RingHash' && loadBalancing.kind !== 'Maglev') return
    const hashed = this.#states.filter(state => !state.endpoint.draining)
    hashed.sort((a, b) => (a.id < b.id ? -1 : 1))
    const members = hashed.map(state => state.endpoint)
    this.#hashed = hashed
    this.#table =
      loadBalancing.kind === 'RingHash'
        ? buildRing(members, loadBalancing.minRingSize)
        : buildMaglev(members, loadBalancing.tableSize)
  }
}

interface Adoption {
  readonly gone: EndpointState[]
  /** Membership or weights changed: the tables are stale. */
  readonly reweighted: boolean
  /** Anything changed: the plan is stale. */
  readonly touched: boolean
}

/** Becoming healthy starts the ramp, and ends an ejection: a check that really asked knows better than a guess. */
function renew(state: EndpointState, endpoint: Endpoint, nowMs: number): void {
  if (endpoint.healthy && !state.endpoint.healthy) {
    state.recoveredMs = nowMs
    state.ejectedUntilMs = 0
  }
  state.endpoint = endpoint
}

function isSameTable(before: BackendSettings['loadBalancing'], after: BackendSettings['loadBalancing']): boolean {
  if (before.kind === 'RingHash') return after.kind === 'RingHash' && before.minRingSize === after.minRingSize
  if (before.kind === 'Maglev') return after.kind === 'Maglev' && before.tableSize === after.tableSize
  return after.kind !== 'RingHash' && after.kind !== 'Maglev'
}

/**
 * Power of two choices: draws two by weight and takes the one with fewer
 * requests under way for its weight; the first when they are equal, so that an
 * idle backend is shared exactly by weight.
 */
function pickLessBusy(group: EndpointGroup, context: PickContext): EndpointState | undefined {
  const { nowMs } = context
  const first = group.draw(context, nowMs)
  const a = group.states[first]
  const b = group.states[group.drawOther(first, context, nowMs)]
  if (a === undefined || b === undefined) return a
  if (group.isEven) return a.activeRequests <= b.activeRequests ? a : b
  const loadA = a.activeRequests * group.relativeWeight(b, nowMs)
  return loadA <= b.activeRequests * group.relativeWeight(a, nowMs) ? a : b
}

/** The same over latency times requests under way; the weight tells how many of those an endpoint can bear. */
function pickCheaper(
  group: EndpointGroup,
  context: PickContext,
  estimator: LatencyEstimator,
): EndpointState | undefined {
  const { nowMs } = context
  const first = group.draw(context, nowMs)
  const a = group.states[first]
  const b = group.states[group.drawOther(first, context, nowMs)]
  if (a === undefined || b === undefined) return a
  return costOf(a, group, estimator, nowMs) <= costOf(b, group, estimator, nowMs) ? a : b
}

function costOf(state: EndpointState, group: EndpointGroup, estimator: LatencyEstimator, nowMs: number): number {
  return estimator.estimateMs(state, nowMs) * (state.activeRequests / group.relativeWeight(state, nowMs) + 1)
}

function findUntried(
  states: readonly EndpointState[],
  context: PickContext,
  tried: readonly EndpointState[],
): EndpointState | undefined {
  const start = Math.floor(context.random() * states.length)
  for (let i = 0; i < states.length; i++) {
    const state = states[(start + i) % states.length]
    if (state !== undefined && !tried.includes(state)) return state
  }
  return undefined
}
