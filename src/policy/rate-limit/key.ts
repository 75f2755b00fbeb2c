import { isIPv6 } from 'node:net'
import { assertNever } from '../../core/index.ts'
import type { RateLimitAttribute } from '../../model/index.ts'

/** What the buckets of a limit may depend on. */
export interface RateLimitFacts {
  readonly clientAddress: string
  /** Empty when unknown. */
  readonly callerNamespace: string
  /** Empty when unknown. */
  readonly callerService: string
  header(lowerName: string): string | undefined
}

/**
 * The bucket of a request. Requests that lack an attribute share one: to leave
 * a header out must not lead around a limit.
 */
export function rateLimitKey(by: readonly RateLimitAttribute[], facts: RateLimitFacts): string {
  let key = ''
  // No value holds a line break, so that different lists of values give different keys.
  for (const attribute of by) key += `${valueOf(attribute, facts) ?? '\0'}\n`
  return key
}

function valueOf(attribute: RateLimitAttribute, facts: RateLimitFacts): string | undefined {
  switch (attribute.kind) {
    case 'client-address':
      return clientNetwork(facts.clientAddress)
    case 'header':
      return facts.header(attribute.name)
    case 'caller-namespace':
      return facts.callerNamespace
    case 'caller-service':
      return `${facts.callerNamespace}/${facts.callerService}`
    default:
      return assertNever(attribute)
  }
}

/**
 * One client: an IPv4 address, or the first 64 bits of an IPv6 address, since
 * whoever has one of those has 2^64 (RFC 6177).
 */
export function clientNetwork(address: string): string {
  if (!isIPv6(address)) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':')
    // An IPv4 address at the end stands for two groups.
    const width = rest.length + (tail.includes('.') ? 1 : 0)
    const zeros = 8 - groups.length - width
    for (let i = 0; i < zeros; i++) groups.push('0')
    groups.push(...rest)
  }
  return `${groups
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
