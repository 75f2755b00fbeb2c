/**
 * Configuration: files of Kubernetes resources, read, checked and decided upon,
 * as `MeshSnapshot`, statuses and problems.
 * It is not the data path and opens no socket; whether a listener could be
 * opened is told back to it.
 * The daemon opens a `FileSource` and hands its snapshots on; `heddle check`
 * reads once.
 * It runs on the main thread.
 * Read `file-source.ts` first, then `files/resource-store.ts` for how resources
 * come in and `reconcile/reconcile.ts` for what they come to.
 */
export { FileSource, readOnce } from './file-source.ts'
export type { FileSourceOptions, SourceState } from './file-source.ts'
export type { Reconciled, ReconcilerOptions } from './reconcile/reconcile.ts'
