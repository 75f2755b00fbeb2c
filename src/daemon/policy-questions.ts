import { ipProtocols } from '../model/index.ts'
import type { IpProtocol } from '../model/index.ts'
import { nearest } from './nearest.ts'
import type { PolicyQuestion } from './policy-answers.ts'

/** A question with what `heddle policy eval` compares its answer with. */
export interface PolicyCase extends PolicyQuestion {
  /** For people; given back with the verdict. */
  readonly name?: string
  readonly expect?: 'allow' | 'deny' | 'partly'
}

export type QuestionsResult =
  | { readonly kind: 'cases'; readonly cases: readonly PolicyCase[] }
  /** All of them, each with its place: `cases[3].port: …`. */
  | { readonly kind: 'invalid'; readonly problems: readonly string[] }

const known = ['name', 'from', 'to', 'port', 'protocol', 'expect'] as const
const verdicts = ['allow', 'deny', 'partly'] as const

/** A list of cases, or an object with `cases`. */
export function parseQuestions(body: unknown): QuestionsResult {
  const list = isObject(body) ? body['cases'] : body
  const top = isObject(body) ? 'cases' : ''
  const problems: string[] = []
  if (!Array.isArray(list)) return { kind: 'invalid', problems: ['cases: expected a list of cases'] }
  const cases: PolicyCase[] = []
  for (const [index, item] of list.entries()) {
    const before = problems.length
    const parsed = parseCase(item, (path, message) => problems.push(`${top}[${index}]${path}: ${message}`))
    if (problems.length === before && parsed !== undefined) cases.push(parsed)
  }
  return problems.length === 0 ? { kind: 'cases', cases } : { kind: 'invalid', problems }
}

function parseCase(item: unknown, tell: (path: string, message: string) => void): PolicyCase | undefined {
  if (!isObject(item)) {
    tell('', 'expected an object with from, to and port')
    return undefined
  }
  for (const field of Object.keys(item)) {
    if (known.some(name => name === field)) continue
    const near = nearest(field, known)
    tell(`.${field}`, `unknown field${near === undefined ? '' : `, did you mean ${near}?`}`)
  }
  const { name, from, to, port, expect } = item
  if (typeof from !== 'string' || from === '') tell('.from', 'is required: a Workload, a Service or an address')
  if (typeof to !== 'string' || to === '') tell('.to', 'is required: a Workload, a Service or an address')
  if (name !== undefined && typeof name !== 'string') tell('.name', 'expected text')
  if (port !== undefined && !isPort(port)) tell('.port', 'expected a number from 1 to 65535 or the name of a port')
  const protocol = parseProtocol(item['protocol'])
  if (protocol === undefined) tell('.protocol', 'expected TCP, UDP or SCTP')
  if (expect !== undefined && !verdicts.some(each => each === expect))
    tell('.expect', `expected ${verdicts.join(', ')}`)
  return { ...item, ...(protocol === undefined ? {} : { protocol }) } as unknown as PolicyCase
}

/** In any case of letters; TCP where nothing is said. */
export function parseProtocol(value: unknown): IpProtocol | undefined {
  if (value === undefined) return 'TCP'
  const name = typeof value === 'string' ? value.toUpperCase() : ''
  return Object.hasOwn(ipProtocols, name) ? (name as IpProtocol) : undefined
}

function isPort(value: unknown): boolean {
  if (typeof value === 'string') return /[a-z]/.test(value)
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
