import { systemClock } from '../core/index.ts'
import type { Timer } from '../core/index.ts'
import type { TypedMap } from '../kernel/index.ts'
import type { DatagramKey, DatagramTrack, Endpoint, FlowEnd } from './generated/sockets.ts'

/** So many tracks are looked at in a turn, which takes some 2 ms. */
const tracksPerTurn = 512
const betweenTurnsMs = 20
/** Between two looks at all of them. */
const betweenLooksMs = 5000

/** enum role and enum verdict of bpf/datapath/types.h */
const clientRole = 1
const allowedVerdict = 1

export interface DatagramFlowsOptions {
  readonly tracks: Pick<TypedMap<DatagramKey, DatagramTrack>, 'entries' | 'take' | 'set'>
  readonly answers: Pick<TypedMap<DatagramKey, Endpoint>, 'get'>
  /** `hd_begun`, by CPU. */
  readonly begun: Pick<TypedMap<number, readonly bigint[]>, 'get'>
  readonly forgetMs: number
  readonly onEnd: (end: FlowEnd) => void
  /** CLOCK_MONOTONIC. @default this machine's */
  readonly nowNs?: () => bigint
}

/**
 * Ends flows of datagrams after a silence: the kernel forgets them then, and tells of those alone whose socket is
 * closed. Looks at a few of its tracks at a time. Tracks have a bounded number; those that made room for others were
 * never ended, and are counted.
 */
export class DatagramFlows implements Disposable {
  readonly #options: DatagramFlowsOptions
  readonly #forgetNs: bigint
  #timer: Timer | undefined
  #entries: Iterator<readonly [DatagramKey, DatagramTrack]> | undefined
  /** Of the look that is under way: begun by then, and found since. */
  #begun = 0n
  #alive = 0n
  /** Ended here. */
  #ended = 0n
  /** Of tracks from before. */
  #before: bigint | undefined
  #lost = 0n

  constructor(options: DatagramFlowsOptions) {
    this.#options = options
    this.#forgetNs = BigInt(options.forgetMs) * 1_000_000n
  }

  /** Flows whose end nobody knows, as of the last look. */
  get lost(): bigint {
    return this.#lost
  }

  start(): void {
    const turn = (): void => {
      const isDone = this.step(tracksPerTurn)
      this.#timer = systemClock.after(isDone ? this.#pauseMs : betweenTurnsMs, turn)
      this.#timer.unref()
    }
    turn()
  }

  get #pauseMs(): number {
    return Math.min(betweenLooksMs, this.#options.forgetMs / 2)
  }

  /** Looks at so many. @returns whether these were the last */
  step(count: number): boolean {
    const { tracks, begun, nowNs = () => process.hrtime.bigint() } = this.#options
    if (this.#entries === undefined) {
      // Before the tracks: what begins meanwhile is found, and not missed.
      this.#begun = (begun.get(0) ?? []).reduce((sum, each) => BigInt.asIntN(64, sum + each), 0n) - this.#ended
      this.#alive = 0n
      this.#entries = tracks.entries()
    }
    const now = nowNs()
    for (let at = 0; at < count; at++) {
      const next = this.#entries.next()
      if (next.done === true) {
        this.#finish()
        return true
      }
      const [key, track] = next.value
      if (now - track.seenNs >= this.#forgetNs) this.#end(key)
      else if (track.isFlow !== 0) this.#alive++
    }
    return false
  }

  #finish(): void {
    this.#entries = undefined
    this.#before ??= this.#alive - this.#begun
    const lost = this.#before + this.#begun - this.#alive
    if (lost > this.#lost) this.#lost = lost
  }

  #end(key: DatagramKey): void {
    const { tracks, answers, onEnd, nowNs = () => process.hrtime.bigint() } = this.#options
    const track = tracks.take(key)
    if (track === undefined) return
    if (nowNs() - track.seenNs < this.#forgetNs) {
      // Somebody sent meanwhile; what the kernel has put in its place is newer.
      tracks.set(key, track, 'new')
      if (track.isFlow !== 0) this.#alive++
      return
    }
    if (track.isFlow === 0) return
    this.#ended++
    // It was begun by the time that was counted, and is not among those that are found.
    this.#begun--
    onEnd(endOf(key, track, answers.get(key)))
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]()
  }
}

function endOf({ cookie, peer }: DatagramKey, track: DatagramTrack, answered: Endpoint | undefined): FlowEnd {
  const { role } = track.track
  const given = role === clientRole ? peer : track.local
  const asked = role === clientRole ? (answered ?? peer) : given
  return {
    flow: {
      timeNs: track.seenNs,
      cgroup: track.cgroup,
      cookie,
      asked,
      given,
      service: 0,
      fromIdentity: track.fromIdentity,
      toIdentity: 0,
      egressRule: 0,
      ingressRule: 0,
      classId: 0,
      verdict: allowedVerdict,
      role,
    },
    sentBytes: track.sentBytes,
    receivedBytes: track.receivedBytes,
    durationNs: track.seenNs - track.begunNs,
    connectNs: 0n,
    roundTripUs: 0,
    zero: 0,
  }
}
