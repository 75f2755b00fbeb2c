import { formatDuration, parseDuration } from './duration.ts'
import { array, describe, enumeration, integer, map, object, optional, required, string } from './shape.ts'
import type { Rule, Shape } from './shape.ts'
import type { Duration, LabelSelector, LocalObjectReference, ObjectReference, StringMap } from './resource.ts'

// The texts that recur in Kubernetes and Gateway API; patterns and limits as in the CRDs of Gateway API v1.6.1.

/** RFC 1123 subdomain: resource names, and `sectionName`. */
const subdomainPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const labelPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const hostnamePattern = /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** The path of a URL as RFC 3986 writes it. */
export const urlPathPattern: RegExp = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$/

export const subdomain: Shape<string> = string({
  min: 1,
  max: 253,
  pattern: subdomainPattern,
  about: 'a name of lower-case letters, digits, "-" and "."',
})

/** Namespaces and Services. */
export const dnsLabel: Shape<string> = string({
  min: 1,
  max: 63,
  pattern: labelPattern,
  about: 'a name of lower-case letters, digits and "-"',
})

export const hostname: Shape<string> = string({
  min: 1,
  max: 253,
  pattern: hostnamePattern,
  about: 'a lower-case DNS name like "shop.example", perhaps with "*." in front, without port',
})

export const preciseHostname: Shape<string> = string({
  min: 1,
  max: 253,
  pattern: subdomainPattern,
  about: 'a lower-case DNS name like "shop.example", without wildcard and port',
})

export const group: Shape<string> = string({
  max: 253,
  pattern: /^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  about: 'an API group, or "" for the core group',
})

export const kind: Shape<string> = string({
  min: 1,
  max: 63,
  pattern: /^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/,
  about: 'a kind like "Service"',
})

/** In references the API takes any text as a name. */
export const objectName: Shape<string> = string({ min: 1, max: 253, about: 'a name' })

export const headerName: Shape<string> = string({
  min: 1,
  max: 256,
  pattern: /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/,
  about: 'a header name (RFC 9110 token)',
})

/** Same texts as the CRD's pattern, written so that matching takes linear time. */
export const headerValue: Shape<string> = string({
  min: 1,
  max: 4096,
  pattern: /^[!-~](?:[\t ]?[!-~])*$/,
  about: 'a header value: visible ASCII with single blanks inside',
})

export const port: Shape<number> = integer(1, 65_535)

const labelKeyPattern =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$/

/** Keys of labels and annotations. */
export const qualifiedKey: Shape<string> = string({
  min: 1,
  max: 316,
  pattern: labelKeyPattern,
  about: 'a key like "app" or "example.com/app"',
})

export const labelValue: Shape<string> = string({
  max: 63,
  pattern: /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/,
  about: 'a label value: letters, digits, "-", "_" and "."',
})

export const labels: Shape<StringMap> = map(labelValue, { keys: qualifiedKey })

export interface DurationOptions {
  readonly minMs?: number
  readonly maxMs?: number
}

/** Gateway API's duration, GEP-2257. */
export function duration(options: DurationOptions = {}): Shape<Duration> {
  const { minMs = 0, maxMs = Infinity } = options
  const about = 'a duration like "500ms", "10s" or "1h30m"'
  return {
    expects: about,
    read(value, reading) {
      const ms = typeof value === 'string' ? parseDuration(value) : undefined
      if (ms === undefined) {
        const unit = typeof value === 'number' || value === '0' ? '; the unit is missing' : ''
        reading.error(`expected ${about}, found ${describe(value)}${unit}`)
        return undefined
      }
      if (ms < minMs) reading.error(`is shorter than ${formatDuration(minMs)}`)
      else if (ms > maxMs) reading.error(`is longer than ${formatDuration(maxMs)}`)
      else return value as string
      return undefined
    },
  }
}

export const localReference: Shape<LocalObjectReference> = object<LocalObjectReference>({
  group: required(group),
  kind: required(kind),
  name: required(objectName),
})

export const objectReference: Shape<ObjectReference> = object<ObjectReference>({
  group: required(group),
  kind: required(kind),
  name: required(objectName),
  namespace: optional(dnsLabel),
})

type Expression = NonNullable<LabelSelector['matchExpressions']>[number]

const operatorAndValues: Rule<Expression> = {
  reads: ['operator', 'values'],
  check(value, reading) {
    const count = value.values?.length ?? 0
    const takesValues = value.operator === 'In' || value.operator === 'NotIn'
    if (takesValues && count === 0) reading.error(`is required for operator ${value.operator}`, 'values')
    if (!takesValues && count > 0) reading.error(`does not go with operator ${value.operator}`, 'values')
  },
}

function selector(options: { readonly nulls?: 'absent' }): Shape<LabelSelector> {
  const expression = object<Expression>(
    {
      key: required(qualifiedKey),
      operator: required(enumeration('In', 'NotIn', 'Exists', 'DoesNotExist')),
      values: optional(array(labelValue)),
    },
    { rules: [operatorAndValues], ...options },
  )
  return object<LabelSelector>(
    { matchLabels: optional(labels), matchExpressions: optional(array(expression)) },
    options,
  )
}

export const labelSelector: Shape<LabelSelector> = selector({})

/** As the core kinds take it, with null for absent. */
export const coreSelector: Shape<LabelSelector> = selector({ nulls: 'absent' })
