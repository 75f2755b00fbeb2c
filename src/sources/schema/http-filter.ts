import { grpcStatusNames } from '../../codec/index.ts'
import { duration, headerName, headerValue } from './formats.ts'
import { byName, externalAuthFields, fraction, headerField, headerMatch } from './http-route.ts'
import { authByProtocol } from './http-route-rules.ts'
import {
  array,
  atMostOne,
  boolean,
  byDefault,
  describe,
  enumeration,
  exactlyOne,
  integer,
  object,
  optional,
  required,
  string,
  tagged,
} from './shape.ts'
import type { Rule, Shape } from './shape.ts'
import type {
  CompressionSpec,
  DirectResponseSpec,
  ExternalAuthSpec,
  FaultSpec,
  HttpFilterSpec,
  RateLimitBy,
  RateLimitSpec,
} from './resource.ts'

// HTTPFilter of heddle.dev/v1alpha1: what Envoy Gateway and Istio call by the same names.

const dayMs = 86_400_000
const hourMs = 3_600_000

/** A bucket fills by whole microseconds for each request: a million in the shortest period. */
const maxRequests = 1_000_000
/** 8 MB of memory for one limit. */
const maxKeys = 1_048_576

const headerAttribute: Rule<{ type: string; header?: string }> = {
  reads: ['type', 'header'],
  check({ type, header }, reading) {
    if (type === 'Header' && header === undefined) reading.error('is required for type Header', 'header')
    if (type !== 'Header' && header !== undefined) reading.error(`does not go with type ${type}`, 'header')
  },
}

// The type of a union is narrower than what its fields can say; the rule holds the two together.
const attribute = object<{ type: RateLimitBy['type']; header?: string }>(
  {
    type: required(enumeration('ClientAddress', 'Header', 'CallerNamespace', 'CallerService')),
    header: optional(headerName),
  },
  { rules: [headerAttribute] },
) as Shape<RateLimitBy>

const rateLimit: Shape<RateLimitSpec> = object<RateLimitSpec>({
  requests: required(integer(1, maxRequests)),
  per: byDefault(duration({ minMs: 1000, maxMs: 31 * dayMs }), '1s'),
  burst: optional(integer(1, maxRequests)),
  by: byDefault(array(attribute, { max: 4, unique: { by: attributeKey, what: 'attribute' } }), Object.freeze([])),
  maxKeys: byDefault(integer(1, maxKeys), 16_384),
  responseHeaders: byDefault(boolean, true),
})

function attributeKey(by: RateLimitBy): string {
  return by.type === 'Header' ? `Header ${by.header.toLowerCase()}` : by.type
}

const share = { percent: optional(integer(0, 100)), fraction: optional(fraction) }

/** `ok` is no fault. */
const grpcFailures = grpcStatusNames.filter(name => name !== 'ok')

const someFault: Rule<FaultSpec> = {
  reads: ['delay', 'abort'],
  check({ delay, abort }, reading) {
    if (delay === undefined && abort === undefined) reading.error('needs delay or abort, or both')
  },
}

const fault: Shape<FaultSpec> = object<FaultSpec>(
  {
    delay: optional(
      object<NonNullable<FaultSpec['delay']>>(
        { duration: required(duration({ minMs: 1, maxMs: hourMs })), ...share },
        { rules: [atMostOne('percent', 'fraction')] },
      ),
    ),
    abort: optional(
      object<NonNullable<FaultSpec['abort']>>(
        {
          statusCode: optional(integer(400, 599)),
          grpcStatus: optional(enumeration(...grpcFailures)),
          ...share,
        },
        { rules: [exactlyOne('statusCode', 'grpcStatus'), atMostOne('percent', 'fraction')] },
      ),
    ),
    headers: byDefault(array(headerMatch, { max: 16, unique: byName }), Object.freeze([])),
  },
  { rules: [someFault] },
)

const units: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 }

/** Bytes, as a number or in the manner of Kubernetes' quantities. */
const size: Shape<number> = {
  expects: 'a number of bytes, or text like "512Ki" or "10Mi"',
  read(value, reading) {
    const [, digits, unit = ''] = /^([0-9]{1,9})([kMG]|[KMG]i)?$/.exec(String(value)) ?? []
    const bytes = Number(digits) * (units[unit] ?? NaN)
    const isRead = typeof value === 'number' || typeof value === 'string'
    if (isRead && Number.isSafeInteger(bytes)) return bytes
    reading.error(`expected ${size.expects}, found ${describe(value)}`)
    return undefined
  },
}

const mediaType = string({
  min: 3,
  max: 127,
  pattern: /^[A-Za-z0-9!#$&^_.+-]+\/(\*|[A-Za-z0-9!#$&^_.+-]+)$/,
  about: 'a content type like "application/json" or "text/*", without parameters',
})

/** What is long often enough and compresses well. */
const compressibleTypes: readonly string[] = Object.freeze([
  'text/*',
  'application/javascript',
  'application/json',
  'application/ld+json',
  'application/manifest+json',
  'application/rss+xml',
  'application/wasm',
  'application/xhtml+xml',
  'application/xml',
  'font/otf',
  'font/ttf',
  'image/svg+xml',
])

const bySelf = { by: (item: string) => item.toLowerCase(), what: 'value' }

const compression: Shape<CompressionSpec> = object<CompressionSpec>({
  encodings: byDefault(
    array(enumeration('gzip', 'br', 'zstd'), { min: 1, unique: bySelf }),
    Object.freeze<CompressionSpec['encodings']>(['br', 'zstd', 'gzip']),
  ),
  minSize: byDefault(size, 1024),
  contentTypes: byDefault(array(mediaType, { min: 1, max: 64, unique: bySelf }), compressibleTypes),
})

/** Answers of these statuses have no body (RFC 9110 sections 15.3.5, 15.3.6, 15.4.5). */
const bodyless = [204, 205, 304]

const bodyByStatus: Rule<DirectResponseSpec> = {
  reads: ['statusCode', 'body'],
  check({ statusCode, body }, reading) {
    if (body !== '' && bodyless.includes(statusCode)) reading.error(`does not go with status ${statusCode}`, 'body')
  },
}

/** The proxy writes these itself: a second one would contradict it. */
const ownFields = ['connection', 'content-length', 'content-type', 'date', 'transfer-encoding']

const foreignFields: Rule<DirectResponseSpec> = {
  reads: ['headers'],
  check({ headers }, reading) {
    for (const [index, { name }] of headers.entries()) {
      if (!ownFields.includes(name.toLowerCase())) continue
      const hint = name.toLowerCase() === 'content-type' ? '; there is a field contentType' : ''
      reading.error(`is written by the proxy${hint}`, 'headers', index, 'name')
    }
  },
}

const directResponse: Shape<DirectResponseSpec> = object<DirectResponseSpec>(
  {
    statusCode: byDefault(integer(200, 599), 200),
    contentType: byDefault(headerValue, 'text/plain; charset=utf-8'),
    headers: byDefault(array(headerField, { max: 16 }), Object.freeze([])),
    body: byDefault(string({ max: 65_536 }), ''),
  },
  { rules: [bodyByStatus, foreignFields] },
)

const externalAuth: Shape<ExternalAuthSpec> = object<ExternalAuthSpec>(
  {
    ...externalAuthFields,
    timeout: byDefault(duration({ minMs: 1, maxMs: hourMs }), '5s'),
    onFailure: byDefault(enumeration('Deny', 'Allow'), 'Deny'),
  },
  { rules: [authByProtocol] },
)

export const httpFilterSpec: Shape<HttpFilterSpec> = tagged<HttpFilterSpec>('type', {
  RateLimit: { field: 'rateLimit', shape: rateLimit },
  ExternalAuth: { field: 'externalAuth', shape: externalAuth },
  Fault: { field: 'fault', shape: fault },
  Compression: { field: 'compression', shape: compression },
  DirectResponse: { field: 'directResponse', shape: directResponse },
  BodyLimit: { field: 'bodyLimit', shape: object<{ maxSize: number }>({ maxSize: required(size) }) },
})
