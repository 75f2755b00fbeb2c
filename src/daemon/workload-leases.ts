import type { Problem } from '../core/index.ts'

/** What `heddle run` asks for. */
export interface RunRequest {
  readonly namespace: string
  readonly name: string
  /** Undefined when Services select the workload by its labels. */
  readonly service: string | undefined
  readonly address: string
  readonly port: number
  readonly labels: Readonly<Record<string, string>>
  /** An HTTP path to check; undefined for no check. */
  readonly healthPath: string | undefined
  /** Process whose descendants the workload consists of; undefined when it is not told, as a caller it is then unknown. */
  readonly pid: number | undefined
}

/** Where leased Workloads go: the file source takes documents that are no files. */
export interface DocumentSink {
  put(name: string, text: string): void
  remove(name: string): void
}

export type RunRequestResult =
  | { readonly kind: 'request'; readonly request: RunRequest }
  | { readonly kind: 'invalid'; readonly message: string }

/**
 * Workloads that exist as long as whoever registered them holds a connection. A
 * second lease of the same name takes the first one's place (the agent may learn
 * of a restart before it learns of the end); the end of the first then changes
 * nothing.
 */
export class WorkloadLeases {
  readonly #sink: DocumentSink
  readonly #holders = new Map<string, Holder>()

  constructor(sink: DocumentSink) {
    this.#sink = sink
  }

  /** The workload is in the mesh until the lease is disposed. */
  grant(request: RunRequest): Disposable {
    const name = documentName(request)
    const holder = { workload: `${request.namespace}/${request.name}`, pid: request.pid }
    this.#holders.set(name, holder)
    this.#sink.put(name, JSON.stringify(resourceOf(request)))
    return {
      [Symbol.dispose]: () => {
        if (this.#holders.get(name) !== holder) return
        this.#holders.delete(name)
        this.#sink.remove(name)
      },
    }
  }

  /** Process of a workload that is registered now. */
  pidOf(workload: string): number | undefined {
    for (const holder of this.#holders.values()) if (holder.workload === workload) return holder.pid
    return undefined
  }

  get size(): number {
    return this.#holders.size
  }
}

interface Holder {
  readonly workload: string
  readonly pid: number | undefined
}

/** The name under which the workload's problems are reported. */
export function documentName(request: Pick<RunRequest, 'namespace' | 'name'>): string {
  return `heddle run ${request.namespace}/${request.name}`
}

export function problemsOf(request: RunRequest, problems: readonly Problem[]): readonly Problem[] {
  const resource = `Workload ${request.namespace}/${request.name}`
  return problems.filter(problem => problem.resource === resource)
}

/** Checks the shape only: what the names mean is for the source to judge. */
export function parseRunRequest(body: unknown): RunRequestResult {
  if (typeof body !== 'object' || body === null) return { kind: 'invalid', message: 'the body must be a JSON object' }
  const fields = body as Readonly<Record<string, unknown>>
  const { namespace = 'default', name, service, address = '127.0.0.1', port, labels = {}, healthPath, pid } = fields
  const wrong = (message: string): RunRequestResult => ({ kind: 'invalid', message })
  if (!isName(namespace)) return wrong('namespace must be a DNS label such as shop')
  if (!isName(name)) return wrong('name must be a DNS label such as reviews-1')
  if (service !== undefined && !isName(service)) return wrong('service must be a DNS label such as reviews')
  if (typeof address !== 'string') return wrong('address must be an IP address')
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    return wrong('port must be a number from 1 to 65535')
  }
  if (!isTextMap(labels)) return wrong('labels must map names to texts')
  if (healthPath !== undefined && (typeof healthPath !== 'string' || !healthPath.startsWith('/'))) {
    return wrong('healthPath must start with a slash')
  }
  if (pid !== undefined && !(typeof pid === 'number' && Number.isInteger(pid) && pid > 1)) {
    return wrong('pid must be the number of a process')
  }
  return { kind: 'request', request: { namespace, name, service, address, port, labels, healthPath, pid } }
}

/** The Workload that a request stands for. */
export function resourceOf(request: RunRequest): unknown {
  const { namespace, name, labels, service, address, port, healthPath } = request
  return {
    apiVersion: 'heddle.dev/v1alpha1',
    kind: 'Workload',
    metadata: { namespace, name, labels },
    spec: {
      ...(service === undefined ? {} : { service }),
      address,
      port,
      ...(healthPath === undefined ? {} : { healthCheck: { http: { path: healthPath } } }),
    },
  }
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(value)
}

function isTextMap(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === 'object' && value !== null && Object.values(value).every(each => typeof each === 'string')
}
