import type { HealthCheck } from './backend.ts'

/** An instance of a service that is a process on this machine. */
export interface Workload {
  /** `namespace/name` */
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Name of a Service of the same namespace; undefined when Services select it by labels only. */
  readonly service: string | undefined
  readonly address: string
  readonly port: number
  /** Started and supervised by the agent; undefined for one that runs by itself. */
  readonly process: WorkloadProcess | undefined
  readonly healthCheck: HealthCheck | undefined
}

export interface WorkloadProcess {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Absolute. */
  readonly workingDirectory: string
  /** Pause before a restart; doubles up to a minute, and starts anew after a minute of running. */
  readonly restartBackoffMs: number
}

/** Whom a client of a Service belongs to, as far as it is known. */
export interface Caller {
  readonly namespace: string
  /** `namespace/name`; empty when the workload names no Service and is only selected by labels. */
  readonly service: string
  /** `namespace/name` of the workload itself. */
  readonly workload: string
}

/** The virtual address of a Service's port, handed to workloads as NAME_SERVICE_HOST and NAME_SERVICE_PORT. */
export interface ServiceAddress {
  readonly namespace: string
  readonly service: string
  readonly address: string
  readonly port: number
  readonly portName: string
}
