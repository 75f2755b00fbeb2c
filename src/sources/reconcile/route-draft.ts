import type { RouteResource } from '../schema/resource.ts'
import type { FactReader } from './facts.ts'
import type { Finding } from './problems.ts'

/** Why a reference of a route is not resolved; the reasons of the condition ResolvedRefs. */
export type RefReason = 'BackendNotFound' | 'InvalidKind' | 'RefNotPermitted' | 'UnsupportedProtocol' | 'FilterNotFound'

/**
 * What is collected while a route is judged: one pass finds all its mistakes,
 * each told to the operator with its place and to the conditions with its
 * reason.
 */
export class RouteDraft {
  readonly resource: RouteResource
  readonly facts: FactReader
  /**
   * Whether a reference to another namespace needs a ReferenceGrant. Routes of
   * the mesh need none; a route with both kinds of parents has one set of rules
   * and is held to the stricter of the two.
   */
  readonly needsGrants: boolean
  readonly findings: Finding[] = []
  readonly unresolved: { readonly reason: RefReason; readonly message: string }[] = []
  /** What can't be carried out; `rule` where it is a whole rule. */
  readonly dropped: { readonly rule: number | undefined; readonly message: string; readonly incompatible: boolean }[] =
    []

  constructor(resource: RouteResource, facts: FactReader, options: { needsGrants: boolean }) {
    this.resource = resource
    this.facts = facts
    this.needsGrants = options.needsGrants
  }

  warn(path: string, message: string): void {
    this.findings.push({ resource: this.resource, severity: 'warning', path, message })
  }

  unresolve(path: string, reason: RefReason, message: string): void {
    this.findings.push({ resource: this.resource, severity: 'error', path, message })
    this.unresolved.push({ reason, message: `${path}: ${message}` })
  }

  drop(rule: number | undefined, path: string, message: string, options: { incompatible: boolean }): void {
    this.findings.push({ resource: this.resource, severity: 'error', path, message })
    this.dropped.push({ rule, message: `${path}: ${message}`, incompatible: options.incompatible })
  }
}
