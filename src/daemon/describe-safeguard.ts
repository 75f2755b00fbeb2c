import { grpcStatusNames } from '../codec/index.ts'
import { assertNever } from '../core/index.ts'
import type { RateLimitAttribute, Safeguard } from '../model/index.ts'

/** `rate limit per-client: 100 in 60 s by client address`: one line for people. */
export function describeSafeguard(filter: Safeguard): string {
  switch (filter.kind) {
    case 'rate-limit': {
      const by = filter.by.map(describeAttribute).join(' and ')
      const burst = filter.burst === filter.requests ? '' : `, at most ${filter.burst} at once`
      return `rate limit ${filter.name}: ${filter.requests} in ${filter.periodMs / 1000} s${burst}${by === '' ? '' : ` by ${by}`}`
    }
    case 'fault': {
      const parts: string[] = []
      const { delay, abort, headers } = filter
      if (delay !== undefined) parts.push(`delay ${percent(delay.fraction)} by ${delay.durationMs / 1000} s`)
      if (abort !== undefined) parts.push(`abort ${percent(abort.fraction)} with ${abortedBy(abort)}`)
      const only = headers.map(({ kind, name, value }) => `${name}${kind === 'regex' ? ' ~' : ':'} ${value}`).join(', ')
      return `fault: ${parts.join(', ')}${only === '' ? '' : ` with header ${only}`}`
    }
    case 'compression':
      return `compression: ${filter.encodings.join(', ')} from ${filter.minBytes} bytes`
    case 'direct-response':
      return `direct response ${filter.status}`
    case 'body-limit':
      return `body limit ${filter.maxBytes} bytes`
    case 'external-auth':
      return `external authorization by ${filter.backend}, ${filter.protocol === 'grpc' ? 'gRPC' : 'HTTP'}${filter.failsOpen ? ', fails open' : ''}`
    default:
      return assertNever(filter)
  }
}

function abortedBy({
  status,
  grpcStatus,
}: {
  readonly status: number
  readonly grpcStatus: number | undefined
}): string {
  return grpcStatus === undefined ? `${status}` : `grpc-status ${grpcStatusNames[grpcStatus] ?? grpcStatus}`
}

function describeAttribute(attribute: RateLimitAttribute): string {
  return attribute.kind === 'header' ? `header ${attribute.name}` : attribute.kind.replace('-', ' ')
}

function percent(fraction: number): string {
  return `${Math.round(fraction * 1e4) / 100}%`
}
