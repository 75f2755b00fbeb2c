import type { Listener, ResourceStatus } from '../../model/index.ts'
import type { Finding } from './problems.ts'

/** Where a stage puts what it has decided. */
export interface StageSink {
  findings(owner: string, findings: readonly Finding[]): void
  status(owner: string, status: ResourceStatus | undefined): void
  /** @param before  what stood there by the same hand: an address may have moved to another Service meanwhile */
  listener(id: string, listener: Listener | undefined, before: Listener | undefined): void
  /** The own route of a Service port came, went or changed. */
  ownRoute(key: string): void
}
