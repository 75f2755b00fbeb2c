import { createHash } from 'node:crypto'

export type Random = () => number

export function below(random: Random, bound: number): number {
  return Math.floor(random() * bound)
}

export function pick<T>(random: Random, from: readonly T[]): T {
  const value = from[below(random, from.length)]
  if (value === undefined) throw new RangeError('nothing to pick from')
  return value
}

/** Each route has endpoints of its own: an answer tells by its endpoint whether it came by the right one. */
export const endpointsOf: Readonly<Record<string, readonly string[]>> = { a: ['a1', 'a2'], b: ['b1'], c: ['a1', 'b1'] }

/** What an endpoint is asked to do; see `endpoint.ts`. */
const kinds = {
  length: 12,
  pieces: 6,
  chunked: 3,
  'chunked-pieces': 2,
  status: 3,
  hints: 2,
  'hints-joined': 1,
  late: 3,
  close: 1,
  'until-close': 1,
  early: 2,
  excess: 1,
  reset: 1,
  end: 1,
  partial: 1,
} as const
export type Kind = keyof typeof kinds

/** The endpoint ends without a whole answer. */
export const badKinds: ReadonlySet<string> = new Set<Kind>(['reset', 'end', 'partial'])
/** Nothing can follow on the connection, or perhaps not. */
export const lastKinds: ReadonlySet<string> = new Set<Kind>([
  'close',
  'until-close',
  'reset',
  'end',
  'partial',
  'excess',
])

const weighted = Object.entries(kinds).flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind as Kind))
const sizes = [0, 0, 1, 30, 30, 200, 1000, 4000, 10_000, 32_768, 60_000, 65_000, 65_536, 70_000, 120_000]

export interface Operation {
  readonly text: string
  readonly method: string
  readonly route: string
  readonly kind: Kind
  readonly size: number
  readonly tag: string
  readonly body: string
}

/** Bytes that tell their place and whose they are. */
export function patternOf(tag: string, bytes: number): string {
  return `${tag}.`.repeat(Math.ceil(bytes / (tag.length + 1))).slice(0, bytes)
}

export function digest(text: string): string {
  return createHash('md5').update(text, 'latin1').digest('hex')
}

/** Mostly of the path: small, framed, whole. */
const tameKinds: readonly Kind[] = ['length', 'length', 'length', 'pieces', 'status', 'hints', 'late']
const tameSizes = sizes.filter(bytes => bytes <= 60_000)

export function compose(random: Random, tag: string, isTame: boolean): Operation {
  const kind = pick(random, isTame ? tameKinds : weighted)
  const bytes = (): number => pick(random, isTame ? tameSizes : sizes)
  const route = pick(random, Object.keys(endpointsOf))
  const method =
    kind === 'until-close' || kind === 'partial'
      ? 'GET'
      : pick(random, ['GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE'])
  const hasBody = method === 'POST' || method === 'PUT'
  const body = hasBody ? patternOf(tag, bytes()) : ''
  const size = kind === 'status' ? pick(random, [204, 304, 404]) : bytes()
  const isChunked = hasBody && !isTame && below(random, 8) === 0
  const fields = [
    `${method} /${route}/${kind}/${size}?${tag} HTTP/1.1`,
    'Host: shop',
    ...(below(random, 4) === 0 ? [`x-fill: ${'f'.repeat(below(random, 3000))}`] : []),
    ...(below(random, 4) === 0 ? [`x-flavour: ${pick(random, ['sweet', 'sour'])}`] : []),
    ...(isChunked ? ['Transfer-Encoding: chunked'] : hasBody ? [`Content-Length: ${body.length}`] : []),
  ]
  const coded = isChunked ? `${body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n` : body
  return { text: `${fields.join('\r\n')}\r\n\r\n${coded}`, method, route, kind, size, tag, body }
}

/**
 * The body of an answer to it.
 * @param times  how often the endpoint has seen this request
 */
export function answerBody(of: Pick<Operation, 'tag' | 'size' | 'method' | 'kind'>, told: Told): string {
  const size = of.kind === 'status' ? 0 : of.size
  return `${of.tag} ${of.method} ${told.endpoint} ${told.times} ${told.bodyBytes} ${told.bodyDigest}\n${patternOf(of.tag, size)}`
}

export interface Told {
  readonly endpoint: string
  readonly times: number
  readonly bodyBytes: number
  readonly bodyDigest: string
}

/** What is wrong with an answer; undefined when nothing is. */
export function faultOf(
  operation: Operation,
  answer: { readonly status: number; readonly body: string },
): string | undefined {
  const { method, kind, route, tag, body, size } = operation
  const status = kind === 'status' ? size : 200
  if (answer.status !== status) return `status ${answer.status}, not ${status}`
  if (method === 'HEAD' || status === 204 || status === 304)
    return answer.body === '' ? undefined : 'a body where none can be'
  const [first = ''] = answer.body.split('\n', 1)
  const [seenTag, seenMethod, endpoint = '', times = '', bodyBytes, bodyDigest] = first.split(' ')
  if (seenTag !== tag || seenMethod !== method) return `the answer to "${first}"`
  if (endpointsOf[route]?.includes(endpoint) !== true) return `from ${endpoint}, which is not of route ${route}`
  if (method !== 'GET' && times !== '1') return `an unsafe request came ${times} times`
  const hasRead = kind !== 'early'
  if (hasRead && (bodyBytes !== String(body.length) || bodyDigest !== digest(body)))
    return `another request body: ${first}`
  const told = { endpoint, times: Number(times), bodyBytes: Number(bodyBytes), bodyDigest: bodyDigest ?? '' }
  return answer.body === answerBody(operation, told) ? undefined : `a damaged body of ${answer.body.length} bytes`
}
