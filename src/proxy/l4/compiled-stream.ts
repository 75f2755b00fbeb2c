import type { Meter } from '../../core/index.ts'
import type { PluginKey, StreamBackend, StreamRoute } from '../../model/index.ts'
import { chooseWeighted, weightTable } from '../routing/choose-weighted.ts'
import type { WeightTable } from '../routing/choose-weighted.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import { StreamSeries } from './stream-metrics.ts'

export interface StreamContext {
  readonly meter: Meter
  /** The long-lived runtime of a backend; `certificate` is shown to endpoints that ask by TLS. */
  backend(key: string, certificate: string | undefined): BackendRuntime
}

/** A route on one virtual host, with everything a connection needs already looked up. */
export class CompiledStream {
  readonly routeName: string
  readonly ruleName: string
  readonly virtualHost: string
  /** Of the attachment; undefined where those of the virtual host hold. */
  readonly plugins: readonly PluginKey[] | undefined
  readonly #weights: WeightTable<CompiledStreamBackend>

  constructor(context: StreamContext, route: StreamRoute, virtualHost: string) {
    this.routeName = route.key
    this.ruleName = route.ruleName ?? '0'
    this.virtualHost = virtualHost
    const attachment = route.attachments.find(one => one.virtualHost === virtualHost)
    const certificate = attachment?.clientCertificate
    this.plugins = attachment?.plugins
    this.#weights = weightTable(
      route.backends.map(backend => new CompiledStreamBackend(context, this, backend, certificate)),
    )
  }

  /** By weight; undefined when no backend has any. */
  choose(random01: number): CompiledStreamBackend | undefined {
    return chooseWeighted(this.#weights, random01)
  }
}

export class CompiledStreamBackend {
  readonly weight: number
  /** Undefined for a reference that can't be used: its share is refused. */
  readonly target: BackendRuntime | undefined
  readonly name: string
  readonly series: StreamSeries

  constructor(context: StreamContext, stream: CompiledStream, backend: StreamBackend, certificate: string | undefined) {
    const { target } = backend
    this.weight = backend.weight
    this.target = target.kind === 'backend' ? context.backend(target.key, certificate) : undefined
    this.name = target.kind === 'backend' ? target.key : ''
    this.series = new StreamSeries(context.meter, stream.virtualHost, stream.routeName, this.name)
  }
}
