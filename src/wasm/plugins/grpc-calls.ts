import { grpcStatuses } from '../../codec/index.ts'
import { mapTypes, statuses } from './abi.ts'
import type { Status } from './abi.ts'
import type { HeaderMap } from '../../codec/index.ts'
import type { CallRefusal, Flow, GrpcCall, GrpcStream } from './ports.ts'
import type { PluginVm } from './vm.ts'
import type { Context } from './context.ts'

/** The kinds that ids of gRPC calls carry in their low two bits. */
const kinds = { call: 1, stream: 2 } as const

interface Call {
  readonly stream: GrpcStream
  readonly kind: 'call' | 'stream'
  /** Of a call with one message: kept until its status says that it counts. */
  message: Uint8Array | undefined
}

/** What the root context lends to the callbacks about calls. */
interface CallRoot extends Context {
  lastStatus: { readonly code: number; readonly message: string }
  nextCallId(kind: number): number
  takeCallId(): void
  show(map: number | undefined, metadata: HeaderMap | undefined, message: Uint8Array | undefined): void
}

/**
 * The gRPC calls of a root context. A call with one message ends with that
 * message or, if it failed, with its status; a stream tells all that comes, and
 * its status at the end.
 */
export class GrpcCalls {
  readonly #vm: PluginVm
  readonly #root: CallRoot
  readonly #calls = new Map<number, Call>()

  constructor(vm: PluginVm, root: CallRoot) {
    this.#vm = vm
    this.#root = root
  }

  get size(): number {
    return this.#calls.size
  }

  open(call: GrpcCall, message: Uint8Array | undefined): number | CallRefusal {
    const kind = message === undefined ? 'stream' : 'call'
    const id = this.#root.nextCallId(kinds[kind])
    const stream = this.#vm.services.callouts.grpc(call, {
      onInitialMetadata: metadata => this.#later(id, () => this.#onInitialMetadata(id, metadata)),
      onMessage: bytes => this.#later(id, found => this.#onMessage(id, found, bytes)),
      onTrailingMetadata: metadata => this.#later(id, () => this.#onTrailingMetadata(id, metadata)),
      onClose: (status, text) => this.#later(id, found => this.#onClose(id, found, status, text)),
    })
    if ('refused' in stream) return stream
    this.#root.takeCallId()
    this.#calls.set(id, { stream, kind, message: undefined })
    if (message !== undefined) stream.send(message, 'end')
    return id
  }

  send(id: number, message: Uint8Array, flow: Flow): Status {
    if ((id & 3) !== kinds.stream) return statuses.badArgument
    const call = this.#calls.get(id)
    if (call === undefined) return statuses.notFound
    call.stream.send(message, flow)
    return statuses.ok
  }

  end(id: number, how: 'cancel' | 'end'): Status {
    const call = this.#calls.get(id)
    if (call === undefined) return statuses.notFound
    if (how === 'end' && call.kind === 'stream') {
      call.stream.end()
      return statuses.ok
    }
    this.#calls.delete(id)
    call.stream.cancel()
    return statuses.ok
  }

  cancelAll(): void {
    for (const { stream } of this.#calls.values()) stream.cancel()
    this.#calls.clear()
  }

  #later(id: number, action: (call: Call) => void): void {
    this.#vm.defer(() => {
      const call = this.#calls.get(id)
      if (call === undefined || this.#vm.failure !== undefined) return
      action(call)
      this.#root.show(undefined, undefined, undefined)
      this.#vm.settle()
    })
  }

  #onInitialMetadata(id: number, metadata: HeaderMap): void {
    if ((id & 3) !== kinds.stream) return
    this.#root.show(mapTypes.grpcCallInitialMetadata, metadata, undefined)
    this.#vm.call(this.#vm.callbacks.onGrpcInitialMetadata, this.#root, 0, id, metadata.count)
  }

  #onMessage(id: number, call: Call, message: Uint8Array): void {
    if (call.kind === 'call') {
      call.message = message
      return
    }
    this.#tellMessage(id, message)
  }

  #tellMessage(id: number, message: Uint8Array): void {
    this.#root.show(undefined, undefined, message)
    this.#vm.call(this.#vm.callbacks.onGrpcMessage, this.#root, 0, id, message.length)
  }

  #onTrailingMetadata(id: number, metadata: HeaderMap): void {
    if ((id & 3) !== kinds.stream) return
    this.#root.show(mapTypes.grpcCallTrailingMetadata, metadata, undefined)
    this.#vm.call(this.#vm.callbacks.onGrpcTrailingMetadata, this.#root, 0, id, metadata.count)
  }

  #onClose(id: number, call: Call, status: number, message: string): void {
    this.#calls.delete(id)
    this.#root.lastStatus = { code: status, message }
    if (call.kind === 'call' && status === grpcStatuses.ok && call.message !== undefined) {
      this.#tellMessage(id, call.message)
      return
    }
    const told = call.kind === 'call' && status === grpcStatuses.ok ? grpcStatuses.internal : status
    this.#vm.call(this.#vm.callbacks.onGrpcClose, this.#root, 0, id, told)
  }
}
