import { khAction, khMethod } from './generated/http.ts'

/** Sizes that programs have; what does not fit goes to user space. */
export const tableLimits = {
  pathBytes: 240,
  /** Of a path. */
  segments: 30,
  nameBytes: 32,
  valueBytes: 64,
  hostBytes: 64,
  /** Different fields with their values, of one table. */
  fields: 64,
  /** Rules that may hold for one path, those of shorter prefixes included. */
  candidates: 16,
  targets: 8,
} as const

export type KernelMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS' | 'PATCH'

export type KernelAction =
  | { readonly kind: 'pools'; readonly targets: readonly KernelTarget[] }
  /** The proxy takes what fits. */
  | { readonly kind: 'user-space' }
  /** The proxy takes what fits and has a query; without one the rule does not hold. */
  | { readonly kind: 'user-space-with-query' }

export interface KernelTarget {
  readonly pool: number
  /** At least 1. */
  readonly weight: number
  /** Where its answers are counted. */
  readonly count: number
}

/** What names of a query's parameters begin with, and no name of a head's field. */
export const parameterMark = ' '

/** A field of the head, or a parameter of the query. */
export interface KernelField {
  /** Lower case; of a parameter as it is, behind a `parameterMark`. */
  readonly name: string
  readonly value: string
}

export interface KernelRule {
  /** @default all that programs know */
  readonly method?: KernelMethod
  /** All of them are in the request. */
  readonly fields: readonly KernelField[]
  readonly action: KernelAction
  /** What permissions are for. */
  readonly number: number
}

export interface KernelPath {
  readonly kind: 'exact' | 'prefix'
  /** As `PathMatch`: a prefix has no final slash, and `/` is the empty one. */
  readonly value: string
  /** All that may hold there, the first that does wins. */
  readonly rules: readonly KernelRule[]
}

export interface KernelPermission {
  /** Id of a cgroup; 0n for everybody. */
  readonly caller: bigint
  /** Of the rule. */
  readonly number: number
  /** @default all */
  readonly methods?: readonly KernelMethod[]
}

export interface KernelTable {
  readonly paths: readonly KernelPath[]
  /** Only what is here is allowed; the proxy judges all else. @default no policy, everything is allowed */
  readonly permissions?: readonly KernelPermission[]
}

/** What holds for a Service: one table for all hosts, and others for some. */
export interface KernelService extends KernelTable {
  /** By name, lower case, without a port. @default none */
  readonly hosts?: ReadonlyMap<string, KernelTable>
}

export const allMethods: number = Object.values(khMethod).reduce((all, bit) => all | bit, 0)

export function methodBits(methods: readonly KernelMethod[] | undefined): number {
  return methods === undefined ? allMethods : methods.reduce((bits, name) => bits | khMethod[`KH_${name}`], 0)
}

export function actionCode({ kind }: KernelAction): number {
  if (kind === 'pools') return khAction.KH_TO_POOLS
  return kind === 'user-space' ? khAction.KH_TO_USER : khAction.KH_TO_USER_WITH_QUERY
}

/** Of an exact path, in the place of the number of segments. */
export const exactDepth = 31

/** How programs look a path up: by the number of its segments and a hash, FNV-1a of its bytes and one more where it is exact. */
export function pathHash({ kind, value }: Pick<KernelPath, 'kind' | 'value'>): {
  readonly depth: number
  readonly hash: bigint
} {
  let hash = hashBegin
  for (const byte of Buffer.from(value, 'latin1')) hash = mixed(hash, byte)
  return kind === 'exact' ? { depth: exactDepth, hash: mixed(hash, 1) } : { depth: value.split('/').length - 1, hash }
}

const hashBegin = 0xcbf29ce484222325n
const hashPrime = 0x100000001b3n

function mixed(hash: bigint, byte: number): bigint {
  return BigInt.asUintN(64, (hash ^ BigInt(byte)) * hashPrime)
}
