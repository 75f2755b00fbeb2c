import { servedKinds, unusedKinds } from './kinds.ts'
import type { KindDefinition } from './kinds.ts'
import { resourceId } from './resource.ts'
import type { AnyResource, Identity, Origin, ResourceKind } from './resource.ts'
import { describe, quote, Reading, suggest } from './shape.ts'
import type { Finding } from './shape.ts'

export type ReadOutcome =
  | {
      readonly kind: 'resource'
      readonly id: string
      readonly resource: AnyResource
      readonly findings: readonly Finding[]
    }
  | {
      readonly kind: 'invalid'
      readonly id: string | undefined
      readonly identity: Identity
      /** What counts until a good version comes, if there never was one. */
      readonly standIn?: AnyResource
      readonly findings: readonly Finding[]
    }
  /** A kind that Heddle leaves alone. */
  | { readonly kind: 'unused'; readonly id: string | undefined; readonly findings: readonly Finding[] }

/** Reads one resource: a valid and complete one, or everything that is wrong with it. */
export function readResource(value: unknown, origin: Origin): ReadOutcome {
  const reading = new Reading()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    reading.error(`expected a resource with apiVersion, kind and metadata, found ${describe(value)}`)
    return { kind: 'invalid', id: undefined, identity: {}, findings: reading.findings }
  }
  const found = findKind(value as Readonly<Record<string, unknown>>, reading)
  const identity = identify(
    value as Readonly<Record<string, unknown>>,
    found === 'unknown' || found === 'unused' ? undefined : found,
  )
  const id =
    identity.kind === undefined || identity.name === undefined
      ? undefined
      : resourceId(identity.kind, identity.namespace ?? '', identity.name)
  if (found === 'unused') return { kind: 'unused', id, findings: reading.findings }
  const resource = found === 'unknown' ? undefined : found.shape.read(value, reading)
  if (resource === undefined) {
    // Also in a version that is not served: what it was to close does not depend on that.
    const { kind = '' } = identity
    const definition = Object.hasOwn(servedKinds, kind) ? servedKinds[kind as ResourceKind] : undefined
    const standIn = definition?.standIn?.(value as Readonly<Record<string, unknown>>, identity)
    const { findings } = reading
    if (standIn === undefined) return { kind: 'invalid', id, identity, findings }
    return { kind: 'invalid', id, identity, findings, standIn: { ...standIn, origin } }
  }
  const placed: AnyResource = { ...resource, origin }
  const { metadata } = placed
  return {
    kind: 'resource',
    id: resourceId(placed.kind, metadata.namespace, metadata.name),
    resource: placed,
    findings: reading.findings,
  }
}

function findKind(value: Readonly<Record<string, unknown>>, reading: Reading): KindDefinition | 'unused' | 'unknown' {
  const { apiVersion, kind } = value
  if (typeof apiVersion !== 'string' || apiVersion === '') {
    const found = apiVersion === undefined ? 'is required' : `expected text, found ${describe(apiVersion)}`
    reading.error(`${found}${typeof kind === 'string' ? writeAs(kind) : ''}`, 'apiVersion')
  }
  if (typeof kind !== 'string' || kind === '') {
    reading.error(kind === undefined ? 'is required' : `expected text, found ${describe(kind)}`, 'kind')
  }
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || reading.findings.length > 0) return 'unknown'
  const slash = apiVersion.lastIndexOf('/')
  const group = apiVersion.slice(0, Math.max(slash, 0))
  const version = apiVersion.slice(slash + 1)
  const served = Object.hasOwn(servedKinds, kind) ? servedKinds[kind as ResourceKind] : undefined
  if (served !== undefined && served.group === group) {
    if (served.versions.includes(version)) return served
    reading.error(`${quote(apiVersion)} is not served${writeAs(kind)}`, 'apiVersion')
    return 'unknown'
  }
  const siblings = Object.hasOwn(unusedKinds, group) ? unusedKinds[group] : undefined
  if (siblings === undefined) {
    // Mistyped groups look like foreign ones; the kind gives them away. Groups of
    // Kubernetes itself are known not to have it, others may have a kind of that name.
    const isOwn = group.endsWith('.k8s.io') || !group.includes('.')
    if (served !== undefined && (isOwn || suggest(group, [served.group]) !== '')) {
      reading.error(`${quote(apiVersion)} has no ${kind}${writeAs(kind)}`, 'apiVersion')
      return 'unknown'
    }
    reading.warning('not used by Heddle yet')
    return 'unused'
  }
  if (siblings.includes(kind)) {
    reading.warning('not used by Heddle yet')
    return 'unused'
  }
  if (served !== undefined) reading.error(`${quote(apiVersion)} has no ${kind}${writeAs(kind)}`, 'apiVersion')
  else reading.error(`unknown kind ${quote(kind)}${suggest(kind, kindsOf(group))}`, 'kind')
  return 'unknown'
}

function writeAs(kind: string): string {
  const served = Object.hasOwn(servedKinds, kind) ? servedKinds[kind as ResourceKind] : undefined
  if (served === undefined) return ''
  const [version = ''] = served.versions
  return `; ${kind} is of ${served.group === '' ? version : `${served.group}/${version}`}`
}

function kindsOf(group: string): string[] {
  const served = Object.entries(servedKinds).filter(([, definition]) => definition.group === group)
  return [...served.map(([kind]) => kind), ...(unusedKinds[group] ?? [])]
}

/** From whatever is there, valid or not: problems name their resource by it. */
function identify(value: Readonly<Record<string, unknown>>, found: KindDefinition | undefined): Identity {
  const metadata: unknown = value['metadata']
  const meta = (typeof metadata === 'object' && metadata !== null ? metadata : {}) as Readonly<Record<string, unknown>>
  const kind = nonEmpty(value['kind'])
  const name = nonEmpty(meta['name'])
  const isClustered = found?.scope === 'cluster'
  const namespace = isClustered ? '' : (nonEmpty(meta['namespace']) ?? 'default')
  return {
    ...(kind === undefined ? {} : { kind }),
    ...(name === undefined ? {} : { name }),
    namespace,
  }
}

function nonEmpty(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= 253 ? value : undefined
}
