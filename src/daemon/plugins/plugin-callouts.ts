import { HeaderMap } from '../../codec/index.ts'
import type { Clock } from '../../core/index.ts'
import type { Backend, BackendKey, HeaderValue } from '../../model/index.ts'
import type {
  AuthCall,
  AuthCallOutcome,
  GrpcCallObserver,
  GrpcCallOptions,
  OpenGrpcCall,
  PendingCall,
} from '../../proxy/index.ts'
import type {
  CallRefusal,
  Callouts,
  GrpcCall,
  GrpcObserver,
  GrpcStream,
  HttpCall,
  HttpCallResult,
} from '../../wasm/index.ts'

/** Who sends a request to a backend: the worker's proxy. */
export interface CallSender {
  call(call: AuthCall, done: (outcome: AuthCallOutcome) => void): PendingCall
  grpc(options: GrpcCallOptions, observer: GrpcCallObserver): OpenGrpcCall
}

export interface CalloutOptions {
  readonly clock: Clock
  readonly sender: () => CallSender
  /** As in the snapshot in force. */
  readonly backends: () => ReadonlyMap<BackendKey, Backend>
}

/** Fields that are told otherwise, or belong to the connection. */
/** Those that every call of gRPC has. */
const ofTheCall: ReadonlySet<string> = new Set(['te', 'content-type', 'grpc-timeout', 'host', 'connection'])
const notPassed: ReadonlySet<string> = new Set(['host', 'connection', 'transfer-encoding', 'content-length', 'expect'])

/** Calls of plugins go to Services of the mesh as requests do: balanced, by kept connections, within their limits. */
export class PluginCallouts implements Callouts {
  readonly #options: CalloutOptions

  constructor(options: CalloutOptions) {
    this.#options = options
  }

  http(call: HttpCall, done: (result: HttpCallResult) => void): { cancel(): void } | CallRefusal {
    const { clock, sender, backends } = this.#options
    const backend = backendNamed(backends(), call.upstream)
    if (backend === undefined) return { refused: 'unknown-upstream', detail: `there is no Service ${call.upstream}` }
    const timer =
      call.timeoutMs > 0
        ? clock.after(call.timeoutMs, () => {
            pending.cancel()
            done({ kind: 'failed', detail: `no answer within ${call.timeoutMs} ms` })
          })
        : undefined
    const pending = sender().call(authCallOf(backend, call), outcome => {
      timer?.[Symbol.dispose]()
      done(resultOf(outcome))
    })
    return {
      cancel() {
        timer?.[Symbol.dispose]()
        pending.cancel()
      },
    }
  }

  grpc(call: GrpcCall, observer: GrpcObserver): GrpcStream | CallRefusal {
    const { sender, backends } = this.#options
    const backend = backendNamed(backends(), call.upstream)
    if (backend === undefined) return { refused: 'unknown-upstream', detail: `there is no Service ${call.upstream}` }
    const { service, method, metadata, timeoutMs } = call
    const fields = [...metadata].filter(([name]) => !name.startsWith(':') && !ofTheCall.has(name))
    const options = {
      backend,
      path: `/${service}/${method}`,
      authority: metadata.get(':authority') ?? call.upstream,
      metadata: fields.map(([name, value]) => ({ name, value })),
      timeoutMs,
    }
    const open = sender().grpc(options, {
      onInitialMetadata: given => observer.onInitialMetadata(mapOf(given)),
      onMessage: message => observer.onMessage(message),
      onTrailingMetadata: given => observer.onTrailingMetadata(mapOf(given)),
      onClose: (status, message) => observer.onClose(status, message),
    })
    return {
      send(message, flow) {
        open.send(message)
        if (flow === 'end') open.end()
      },
      end: () => open.end(),
      cancel: () => open.cancel(),
    }
  }
}

function authCallOf(backend: BackendKey, { headers, body }: HttpCall): AuthCall {
  const fields = [...headers].filter(([name]) => !name.startsWith(':') && !notPassed.has(name))
  return {
    backend,
    protocol: 'http',
    method: headers.get(':method') ?? 'GET',
    host: headers.get(':authority') ?? '',
    target: headers.get(':path') ?? '/',
    headers: fields.map(([name, value]) => ({ name, value })),
    body,
  }
}

function mapOf(fields: readonly HeaderValue[]): HeaderMap {
  return HeaderMap.of(fields.map(({ name, value }) => [name, value] as const))
}

function resultOf(outcome: AuthCallOutcome): HttpCallResult {
  if (outcome.kind === 'failed') return outcome
  const { status, headers, body } = outcome
  const map = HeaderMap.of([[':status', String(status)], ...headers.map(({ name, value }) => [name, value] as const)])
  return { kind: 'response', headers: map, body, trailers: new HeaderMap(0) }
}

const istioName = /^outbound\|(\d+)\|[^|]*\|([^.|]+)\.([^.|]+)\.svc\./
const plainName = /^([^.:/]+)(?:\.([^.:/]+))?(?:\.svc(?:\.[^:]*)?)?(?::(\d+))?$/

/**
 * The backend that a plugin means: `outbound|80||orders.shop.svc.cluster.local`
 * as in Istio, a key of ours (`shop/orders:80`), or `orders.shop:80`, of which
 * port and namespace may be left out where only one fits.
 */
export function backendNamed(backends: ReadonlyMap<BackendKey, Backend>, name: string): BackendKey | undefined {
  if (backends.has(name)) return name
  const istio = istioName.exec(name)
  if (istio !== null) return only(backends, istio[2], istio[3], istio[1])
  const plain = plainName.exec(name)
  return plain === null ? undefined : only(backends, plain[1], plain[2], plain[3])
}

function only(
  backends: ReadonlyMap<BackendKey, Backend>,
  service: string | undefined,
  namespace: string | undefined,
  port: string | undefined,
): BackendKey | undefined {
  let found: BackendKey | undefined
  for (const backend of backends.values()) {
    if (nameIn(backend) !== service) continue
    if (namespace !== undefined && backend.namespace !== namespace) continue
    if (port !== undefined && String(backend.port) !== port) continue
    if (found !== undefined) return undefined
    found = backend.key
  }
  return found
}

function nameIn({ service }: Backend): string {
  return service.slice(service.lastIndexOf('/') + 1)
}
