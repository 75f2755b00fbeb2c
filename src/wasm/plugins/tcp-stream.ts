import { actions, bufferTypes, peerTypes, streamTypes } from './abi.ts'
import type { PeerType } from './abi.ts'
import type { Access } from './context.ts'
import { DataBuffer } from './data-buffer.ts'
import type { HeaderMap } from '../../codec/index.ts'
import type { DataSink, Flow, TcpStreamHost } from './ports.ts'
import type { PropertyValue } from './property-value.ts'
import { StreamBase } from './stream-base.ts'
import type { Entry } from './stream-base.ts'
import type { StreamOwner } from './stream-owner.ts'

/** Data of one direction that the plugin has not let go. */
interface Direction {
  readonly callback: 'onDownstreamData' | 'onUpstreamData'
  readonly sink: DataSink
  readonly buffer: DataBuffer
  flow: Flow
  isHeld: boolean
  isRunning: boolean
  hasData: boolean
}

/**
 * One connection on its way through a plugin. The proxy hands over what comes
 * from both sides and calls `close` at the end.
 *
 * A pause keeps the data, and the next callback sees all of it. A pause when the
 * connection is new keeps what comes from downstream without callbacks.
 */
export class TcpStream extends StreamBase {
  readonly kind = 'tcp'
  readonly #host: TcpStreamHost
  readonly #downstream: Direction
  readonly #upstream: Direction
  #isConnectionHeld = false
  #isOver = false
  #resumes: Direction[] = []
  #closes: ('downstream' | 'upstream')[] = []

  constructor(owner: StreamOwner, host: TcpStreamHost) {
    super(owner, host)
    this.#host = host
    this.#downstream = direction('onDownstreamData', host.toUpstream)
    this.#upstream = direction('onUpstreamData', host.toDownstream)
  }

  // Events

  /** A client has connected. */
  connected(): void {
    if (this.#entry(() => this.connected()) !== 'plugin') return
    const { vm } = this
    if (vm === undefined) return
    this.#isConnectionHeld = true
    const action = this.called(vm.call(vm.callbacks.onNewConnection, this, actions.continue))
    if (action === actions.continue) this.#isConnectionHeld = false
    vm.settle()
  }

  fromDownstream(bytes: Uint8Array, flow: Flow): void {
    this.#data(this.#downstream, bytes, flow)
  }

  fromUpstream(bytes: Uint8Array, flow: Flow): void {
    this.#data(this.#upstream, bytes, flow)
  }

  /** @param peer  who closed */
  downstreamClosed(peer: PeerType): void {
    this.#closed('onDownstreamClose', peer)
  }

  upstreamClosed(peer: PeerType): void {
    this.#closed('onUpstreamClose', peer)
  }

  /** Whoever reads from downstream should wait. */
  get isDownstreamBlocked(): boolean {
    return this.#downstream.buffer.length >= this.owner.config.limits.bodyBytes
  }

  get isUpstreamBlocked(): boolean {
    return this.#upstream.buffer.length >= this.owner.config.limits.bodyBytes
  }

  #data(direction: Direction, bytes: Uint8Array, flow: Flow): void {
    const entry = this.#entry(() => this.#data(direction, bytes, flow))
    if (entry === 'over') return
    direction.buffer.append(bytes)
    direction.flow = flow
    direction.hasData = true
    if (entry === 'pass') return this.#pass(direction)
    if (direction === this.#downstream && this.#isConnectionHeld) return
    this.#run(direction)
    this.vm?.settle()
  }

  #run(direction: Direction): void {
    const { vm } = this
    if (vm === undefined) return
    direction.isHeld = direction.isRunning = true
    const end = direction.flow === 'end' ? 1 : 0
    const action = this.called(vm.call(vm.callbacks[direction.callback], this, 0, direction.buffer.length, end))
    direction.isRunning = false
    if (action === actions.continue) this.#pass(direction)
  }

  #closed(callback: 'onDownstreamClose' | 'onUpstreamClose', peer: PeerType): void {
    if (this.#entry(() => this.#closed(callback, peer)) !== 'plugin' || this.vm === undefined) return
    this.called(this.vm.call(this.vm.callbacks[callback], this, 0, peerTypes[peer]))
    this.vm?.settle()
  }

  #entry(again: () => void): Entry {
    if (this.#isOver) return 'over'
    const entry = this.enter()
    if (entry !== 'later') return entry
    this.later(again)
    return 'over'
  }

  #pass(direction: Direction): void {
    direction.isHeld = false
    if (!direction.hasData) return
    direction.hasData = false
    direction.sink(direction.buffer.take(), direction.flow)
  }

  // What the plugin does

  map(type: number): HeaderMap | undefined {
    return this.vm?.root.map(type)
  }

  mapAccess(type: number): Access {
    return this.vm?.root.mapAccess(type) ?? 'none'
  }

  buffer(type: number): DataBuffer | undefined {
    if (type === bufferTypes.downstreamData) return visible(this.#downstream)
    if (type === bufferTypes.upstreamData) return visible(this.#upstream)
    return this.vm?.root.buffer(type)
  }

  continueStream(type: number): boolean {
    if (type !== streamTypes.downstream && type !== streamTypes.upstream) return false
    this.#resumes.push(type === streamTypes.downstream ? this.#downstream : this.#upstream)
    this.vm?.touch(this)
    return true
  }

  closeStream(type: number): boolean {
    if (type !== streamTypes.downstream && type !== streamTypes.upstream) return false
    this.#closes.push(type === streamTypes.downstream ? 'downstream' : 'upstream')
    this.vm?.touch(this)
    return true
  }

  respond(): boolean {
    return false
  }
  clearRouteCache(): void {}

  protected messageProperty(): PropertyValue | undefined {
    return undefined
  }

  settle(): void {
    this.settleEnd()
    for (const direction of this.#resumes.splice(0)) {
      if (direction === this.#downstream && this.#isConnectionHeld) {
        this.#isConnectionHeld = false
        if (direction.hasData) this.#run(direction)
      } else this.#pass(direction)
    }
    for (const side of this.#closes.splice(0)) this.#host.close(side)
    this.vm?.settle()
  }

  // What becomes of it when the plugin fails

  /** Streams of bytes have no beginning on which the rest depends, as far as the host can tell. */
  protected get isPartlyPassed(): boolean {
    return false
  }

  protected get isHeld(): boolean {
    return this.#isConnectionHeld || this.#downstream.isHeld || this.#upstream.isHeld
  }

  protected passAll(): void {
    this.#isConnectionHeld = false
    this.#pass(this.#downstream)
    this.#pass(this.#upstream)
  }

  protected refuse(): void {
    this.#isOver = true
    this.#host.reset()
  }
}

function direction(callback: Direction['callback'], sink: DataSink): Direction {
  const state = { flow: 'more', isHeld: false, isRunning: false, hasData: false } as const
  return { callback, sink, buffer: DataBuffer.writable(), ...state }
}

function visible(direction: Direction): DataBuffer | undefined {
  return direction.isRunning || direction.isHeld ? direction.buffer : undefined
}
