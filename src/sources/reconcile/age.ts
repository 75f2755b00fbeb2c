import type { AnyResource } from '../schema/resource.ts'
import { compareText } from './hostname.ts'

/** Milliseconds since 1970; 0 for a resource of a file that does not say. */
export function createdMs({ metadata }: AnyResource): number {
  if (metadata.creationTimestamp === undefined) return 0
  const ms = Date.parse(metadata.creationTimestamp)
  return Number.isNaN(ms) ? 0 : ms
}

/** The order in which resources win conflicts: the older, then by namespace and name. */
export function compareAge(a: AnyResource, b: AnyResource): number {
  return (
    createdMs(a) - createdMs(b) ||
    compareText(a.metadata.namespace, b.metadata.namespace) ||
    compareText(a.metadata.name, b.metadata.name)
  )
}
