import type { HeaderEntry } from '../../codec/index.ts'
import type { Filter } from '../../model/index.ts'
import { rewritePath } from '../routing/rewrite-path.ts'
import type { EditPlan } from './header-edits.ts'
import type { IncomingRequest } from './incoming-request.ts'
import type { RequestIds } from './request-id.ts'

/** What is told about the client; the fields for a request without such of its own are kept for the next one, in both forms. */
export interface ForwardedFacts {
  readonly clientAddress: string
  readonly scheme: string
  /** Value of `x-forwarded-client-cert`; empty without a certificate. */
  readonly certificate: string
  rawHost: string | undefined
  lines: string
  entriesHost: string | undefined
  entries: readonly HeaderEntry[] | undefined
}

export interface RequestInput {
  readonly request: IncomingRequest
  readonly hasBody: boolean
  /** Towards the endpoint. */
  readonly scheme: 'http' | 'https'
  /** At the edge we tell who the client was; inside the mesh we pass on what the caller said. */
  readonly forwarded: ForwardedFacts | undefined
  readonly rewrite: Extract<Filter, { kind: 'rewrite' }> | undefined
  readonly matchedPrefix: string
  readonly edits: EditPlan
  readonly fallbackHost: string
  readonly ids: RequestIds
}

/** The target that takes the place of the client's. */
export function newTarget(input: RequestInput): string {
  const { target, path, search } = input.request
  if (target === '*') return target
  const modifier = input.rewrite?.path
  return (modifier === undefined ? path : rewritePath(path, input.matchedPrefix, modifier)) + search
}
