import type { HeaderEdits, HeaderValue } from '../../model/index.ts'

/** What an authorizer's answer means for the request. */
export type AuthDecision =
  /** The request passes, with these changes to it and to its answer. */
  | { readonly kind: 'allow'; readonly request: HeaderEdits; readonly response: HeaderEdits }
  /** The client gets this instead of an answer of the backend. */
  | {
      readonly kind: 'deny'
      readonly status: number
      readonly headers: readonly HeaderValue[]
      readonly body: Uint8Array
    }
  /** No decision was made: refused unless the rule says otherwise. */
  | { readonly kind: 'unavailable'; readonly detail: string }

export const noEdits: HeaderEdits = Object.freeze({ set: [], add: [], remove: [] })

/** Without a say of the authorizer, or with one that no client would take for a refusal. */
export const deniedStatus = 403

/** A refusal is an answer of 300 to 599; what else an authorizer says of it would mislead the client. */
export function refusalStatus(status: number): number {
  return status >= 300 && status <= 599 ? status : deniedStatus
}

/**
 * Fields that belong to one message or one connection and never go from one to
 * another: with a length or a coding of another body the message could not be
 * read, or be read as two (RFC 9110 sections 7.6.1 and 8, RFC 9112 section 6).
 */
const ownOfMessage: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether a field of the authorizer's answer may become one of the request. */
export function mayBecomeRequestField(lowerName: string): boolean {
  return !ownOfMessage.has(lowerName) && lowerName !== 'content-type' && lowerName !== 'date' && lowerName !== 'server'
}

/** Whether a field of the authorizer's refusal may become one of the client's answer. */
export function mayBecomeAnswerField(lowerName: string): boolean {
  // The body goes along as it came, so that its coding does too.
  return !ownOfMessage.has(lowerName) || lowerName === 'content-encoding'
}

/** Whether it can stand in a message at all: a line break in it would be a second field, or a second message. */
export function isWellFormed({ name, value }: HeaderValue): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
}
