import type { HeaderEdits, HeaderValue } from '../../model/index.ts'
import {
  isWellFormed,
  mayBecomeAnswerField,
  mayBecomeRequestField,
  refusalStatus,
  type AuthDecision,
} from './decision.ts'

/** A header of an authorizer's answer with how it is written, as Envoy's protocol says it. */
export interface AuthHeader extends HeaderValue {
  readonly append: boolean | undefined
  readonly action: number
}

/** The answer of an authorizer that speaks Envoy's protocol. */
export interface AuthAnswer {
  readonly code: number
  readonly message: string
  readonly requestHeaders: readonly AuthHeader[]
  readonly headersToRemove: readonly string[]
  readonly responseHeaders: readonly AuthHeader[]
  readonly changesQuery: boolean
  readonly deniedStatus: number
  readonly deniedHeaders: readonly AuthHeader[]
  readonly deniedBody: string
}

/**
 * Code 0 lets the request pass, every other one refuses it, whatever else the
 * answer holds.
 *
 * Headers of the request are set, or appended where `append` is true; those of
 * the answer follow `append`, and where it is absent `append_action`. Both are
 * as Envoy does it. What could not stand in a message, and changes of the query,
 * which are not carried out, count as no decision: half of an authorizer's
 * consent is not its consent.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/external_auth.proto
 */
export function decideByGrpc(answer: AuthAnswer): AuthDecision {
  const all = [...answer.requestHeaders, ...answer.responseHeaders, ...answer.deniedHeaders]
  const broken = all.find(header => !isWellFormed(header))
  if (broken !== undefined) {
    return { kind: 'unavailable', detail: `the authorizer wants an impossible header ${JSON.stringify(broken.name)}` }
  }
  if (answer.code !== 0) {
    return {
      kind: 'deny',
      status: refusalStatus(answer.deniedStatus),
      headers: answer.deniedHeaders.filter(({ name }) => mayBecomeAnswerField(name.toLowerCase())).map(plain),
      body: Buffer.from(answer.deniedBody),
    }
  }
  if (answer.changesQuery) {
    return { kind: 'unavailable', detail: 'the authorizer wants to change the query, which is not carried out' }
  }
  return { kind: 'allow', request: requestEdits(answer), response: responseEdits(answer.responseHeaders) }
}

function requestEdits({ requestHeaders, headersToRemove }: AuthAnswer): HeaderEdits {
  const usable = requestHeaders.filter(({ name }) => mayBecomeRequestField(name.toLowerCase()))
  return {
    set: usable.filter(({ append }) => append !== true).map(plain),
    add: usable.filter(({ append }) => append === true).map(plain),
    remove: headersToRemove.map(name => name.toLowerCase()).filter(mayBecomeRequestField),
  }
}

function responseEdits(headers: readonly AuthHeader[]): HeaderEdits {
  const usable = headers.filter(({ name }) => mayBecomeAnswerField(name.toLowerCase()))
  const isAppended = ({ append, action }: AuthHeader): boolean => append ?? (action === 0 || action === 1)
  return {
    set: usable.filter(header => !isAppended(header)).map(plain),
    add: usable.filter(isAppended).map(plain),
    remove: [],
  }
}

function plain({ name, value }: AuthHeader): HeaderValue {
  return { name: name.toLowerCase(), value }
}
