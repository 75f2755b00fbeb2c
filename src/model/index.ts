/**
 * The mesh's nouns as readonly data, and `MeshSnapshot`, the one value in which
 * configuration reaches the data path. It is not Kubernetes resources (those
 * live in `sources`) and holds no behaviour beyond comparing two snapshots and
 * saying which regular expressions a route may have.
 * Everyone calls it, on every thread; values cross threads by structured clone.
 * Read `snapshot.ts` first, then `route.ts` and `backend.ts`.
 */
export * from './access-record.ts'
export * from './backend.ts'
export * from './compiled-network-policy.ts'
export * from './filter.ts'
export * from './local-reply.ts'
export * from './metrics.ts'
export * from './network-access.ts'
export * from './network-policy.ts'
export * from './named-service.ts'
export * from './outcome.ts'
export * from './plugin.ts'
export * from './retry-policy.ts'
export * from './route.ts'
export * from './safeguard.ts'
export * from './snapshot.ts'
export * from './status.ts'
export * from './stream-route.ts'
export * from './tls.ts'
export * from './workload.ts'
export * from './value-match.ts'
export * from './value-regex.ts'
