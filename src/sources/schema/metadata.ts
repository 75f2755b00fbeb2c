import { dnsLabel, labels, qualifiedKey, subdomain } from './formats.ts'
import { anything, byDefault, integer, map, object, optional, required, string } from './shape.ts'
import type { Shape } from './shape.ts'
import type { ObjectMeta, StringMap } from './resource.ts'

/** What a file may say in `metadata`; the rest of Kubernetes' fields is let through and has no effect. */
interface GivenMeta {
  readonly name: string
  readonly namespace?: string
  readonly labels: StringMap
  readonly annotations: StringMap
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly uid?: string
  readonly generateName?: unknown
  readonly resourceVersion?: unknown
  readonly selfLink?: unknown
  readonly managedFields?: unknown
  readonly ownerReferences?: unknown
  readonly finalizers?: unknown
  readonly deletionTimestamp?: unknown
  readonly deletionGracePeriodSeconds?: unknown
}

const timestamp = string({
  pattern: /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/,
  about: 'a time like "2026-01-31T12:00:00Z"',
})

const noEntries: StringMap = Object.freeze({})

/** etcd refuses objects of more than about 1.5 MiB, so Kubernetes limits annotations to 256 KiB; one value may not be longer. */
const annotation = string({ max: 262_144 })

function givenMeta(name: Shape<string>): Shape<GivenMeta> {
  return object<GivenMeta>(
    {
      name: required(name),
      namespace: optional(dnsLabel),
      labels: byDefault(labels, noEntries),
      annotations: byDefault(map(annotation, { keys: qualifiedKey }), noEntries),
      generation: optional(integer(0, Number.MAX_SAFE_INTEGER)),
      creationTimestamp: optional(timestamp),
      uid: optional(string()),
      generateName: optional(anything),
      resourceVersion: optional(anything),
      selfLink: optional(anything),
      managedFields: optional(anything),
      ownerReferences: optional(anything),
      finalizers: optional(anything),
      deletionTimestamp: optional(anything),
      deletionGracePeriodSeconds: optional(anything),
    },
    { nulls: 'absent' },
  )
}

/** Namespaces and Services have the names of DNS labels, all others of subdomains. */
export function objectMeta(scope: 'namespaced' | 'cluster', name: 'label' | 'subdomain'): Shape<ObjectMeta> {
  const given = givenMeta(name === 'label' ? dnsLabel : subdomain)
  return {
    expects: 'an object',
    read(value, reading) {
      const meta = given.read(value, reading)
      if (meta === undefined) return undefined
      if (scope === 'cluster' && meta.namespace !== undefined) {
        reading.warning('has no effect: the kind is of cluster scope', 'namespace')
      }
      return {
        name: meta.name,
        namespace: scope === 'cluster' ? '' : (meta.namespace ?? 'default'),
        labels: meta.labels,
        annotations: meta.annotations,
        generation: Math.max(meta.generation ?? 1, 1),
        ...(meta.creationTimestamp === undefined ? {} : { creationTimestamp: meta.creationTimestamp }),
        ...(meta.uid === undefined ? {} : { uid: meta.uid }),
      }
    },
  }
}
