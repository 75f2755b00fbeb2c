import { assertNever } from '../../core/index.ts'
import { grpcStatuses, httpStatusOfGrpc } from '../../codec/index.ts'
import {
  validateRegex,
  type DirectResponse,
  type Fault,
  type Filter,
  type RateLimit,
  type RateLimitAttribute,
} from '../../model/index.ts'
import { durationMs } from '../schema/duration.ts'
import type {
  CompressionSpec,
  DirectResponseSpec,
  FaultSpec,
  HttpExternalAuth,
  HTTPFilterResource,
  RateLimitBy,
  RateLimitSpec,
  Share,
} from '../schema/resource.ts'
import { resolveBackend } from './backend-refs.ts'
import { valueMatch } from './matches.ts'
import type { RouteDraft } from './route-draft.ts'

/** Why a filter can't be carried out, where nobody has told the operator yet. */
export interface UnusableFilter {
  readonly message: string
  /** `reported`: the draft has it already. */
  readonly cause: 'value' | 'reported'
}

/** What an HTTPFilter comes to in a rule. */
export function compileHttpFilter(
  draft: RouteDraft,
  filter: HTTPFilterResource,
  path: string,
): Filter | UnusableFilter {
  const { spec } = filter
  switch (spec.type) {
    case 'RateLimit':
      return { kind: 'rate-limit', ...rateLimit(filter, spec.rateLimit) }
    case 'Fault':
      return compileFault(filter, spec.fault)
    case 'Compression':
      return { kind: 'compression', ...compression(spec.compression) }
    case 'DirectResponse':
      return { kind: 'direct-response', ...directResponse(spec.directResponse) }
    case 'BodyLimit':
      return { kind: 'body-limit', maxBytes: spec.bodyLimit.maxSize }
    case 'ExternalAuth': {
      const { timeout, onFailure } = spec.externalAuth
      const failure = { timeoutMs: durationMs(timeout), failsOpen: onFailure === 'Allow' }
      return compileExternalAuth(draft, spec.externalAuth, path, failure)
    }
    default:
      return assertNever(spec)
  }
}

/** The Gateway API leaves these open; without an answer nothing passes. */
const standardFailure = { timeoutMs: 5000, failsOpen: false }

/** Also for the filter of the Gateway API itself. */
export function compileExternalAuth(
  draft: RouteDraft,
  auth: HttpExternalAuth,
  path: string,
  failure: { readonly timeoutMs: number; readonly failsOpen: boolean } = standardFailure,
): Filter | UnusableFilter {
  const speaks = auth.protocol === 'GRPC' ? 'GRPCRoute' : 'HTTPRoute'
  const target = resolveBackend(draft, auth.backendRef, path, speaks)
  if (target.kind === 'invalid') return { message: target.message, cause: 'reported' }
  const isHttp = auth.protocol === 'HTTP'
  const requestHeaders = (isHttp ? auth.http : auth.grpc)?.allowedHeaders
  const responseHeaders = auth.http?.allowedResponseHeaders
  return {
    kind: 'external-auth',
    protocol: isHttp ? 'http' : 'grpc',
    backend: target.key,
    pathPrefix: pathPrefix(auth.http?.path ?? ''),
    // An empty list means "only those that always go" for HTTP, and "all" for gRPC.
    requestHeaders: isHttp ? lowerCase(requestHeaders ?? []) : unlessEmpty(requestHeaders),
    responseHeaders: unlessEmpty(responseHeaders),
    maxBodyBytes: auth.forwardBody?.maxSize ?? 0,
    ...failure,
  }
}

/** With a slash in front and none behind, so that the path of a request can follow. */
function pathPrefix(path: string): string {
  const bare = path.replace(/^\/+|\/+$/g, '')
  return bare === '' ? '' : `/${bare}`
}

function unlessEmpty(names: readonly string[] = []): readonly string[] | undefined {
  return names.length === 0 ? undefined : lowerCase(names)
}

function lowerCase(names: readonly string[]): readonly string[] {
  return names.map(name => name.toLowerCase())
}

function rateLimit({ metadata }: HTTPFilterResource, spec: RateLimitSpec): RateLimit {
  const { requests, burst = requests, maxKeys, responseHeaders } = spec
  const periodMs = durationMs(spec.per)
  const by = spec.by.map(attributeOf)
  const { namespace, name } = metadata
  const parts = [`${namespace}/${name}`, requests, periodMs, burst, maxKeys, JSON.stringify(by)]
  return { name, tableKey: parts.join(' '), requests, periodMs, burst, by, maxKeys, tellsClient: responseHeaders }
}

function attributeOf(by: RateLimitBy): RateLimitAttribute {
  switch (by.type) {
    case 'ClientAddress':
      return { kind: 'client-address' }
    case 'Header':
      return { kind: 'header', name: by.header.toLowerCase() }
    case 'CallerNamespace':
      return { kind: 'caller-namespace' }
    case 'CallerService':
      return { kind: 'caller-service' }
    default:
      return assertNever(by)
  }
}

function compileFault({ metadata }: HTTPFilterResource, spec: FaultSpec): Filter | UnusableFilter {
  for (const [index, { type, value }] of spec.headers.entries()) {
    const problem = type === 'RegularExpression' ? validateRegex(value) : undefined
    if (problem === undefined) continue
    const at = `HTTPFilter ${metadata.namespace}/${metadata.name}: spec.fault.headers[${index}].value`
    return { message: `${at}: ${value} ${problem}`, cause: 'value' }
  }
  return { kind: 'fault', ...fault(spec) }
}

function fault({ delay, abort, headers }: FaultSpec): Fault {
  return {
    delay: delay === undefined ? undefined : { durationMs: durationMs(delay.duration), fraction: shareOf(delay) },
    abort: abort === undefined ? undefined : { ...abortStatus(abort), fraction: shareOf(abort) },
    headers: headers.map(header => valueMatch(header, header.name.toLowerCase())),
  }
}

/** The schema lets exactly one of the two through. */
function abortStatus({ statusCode, grpcStatus }: NonNullable<FaultSpec['abort']>): {
  status: number
  grpcStatus: number | undefined
} {
  if (grpcStatus === undefined) return { status: statusCode ?? 500, grpcStatus: undefined }
  return { status: httpStatusOfGrpc(grpcStatuses[grpcStatus]), grpcStatus: grpcStatuses[grpcStatus] }
}

/** Percent or fraction as a share of 1; everything without either. */
export function shareOf({ percent, fraction }: Share): number {
  if (percent !== undefined) return Math.min(1, percent / 100)
  if (fraction !== undefined) return Math.min(1, fraction.numerator / fraction.denominator)
  return 1
}

function compression(spec: CompressionSpec): Omit<Extract<Filter, { kind: 'compression' }>, 'kind'> {
  return { encodings: spec.encodings, minBytes: spec.minSize, contentTypes: lowerCase(spec.contentTypes) }
}

function directResponse({ statusCode, contentType, headers, body }: DirectResponseSpec): DirectResponse {
  const type = body === '' ? [] : [{ name: 'content-type', value: contentType }]
  return { status: statusCode, headers: [...type, ...headers], body }
}
