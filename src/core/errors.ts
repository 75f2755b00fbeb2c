/** Who is to blame for an error; decides what is logged, counted and answered. */
export type ErrorSource = 'downstream' | 'upstream' | 'internal' | 'config' | 'kernel' | 'plugin'

/** Whether the same attempt may be made again: `safe` means that the other side cannot have acted. */
export type Retry = 'never' | 'safe' | 'if-reused'

export interface MeshErrorOptions {
  source: ErrorSource
  /** @default 'never' */
  retry?: Retry
  /** What the operator can do about it, one sentence. */
  hint?: string
  cause?: unknown
}

/** Every error that Heddle throws. Match by `code`, never by message. */
export class MeshError extends Error {
  /** Stable: `MESH_` and words, listed in docs/reference/errors.md. */
  readonly code: string
  readonly source: ErrorSource
  readonly retry: Retry
  readonly hint: string | undefined

  constructor(code: string, message: string, options: MeshErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'MeshError'
    this.code = code
    this.source = options.source
    this.retry = options.retry ?? 'never'
    this.hint = options.hint
  }
}

/** Closes every switch over a union: a member that was forgotten does not compile. */
export function assertNever(value: never): never {
  throw new MeshError('MESH_INTERNAL', `unexpected value ${JSON.stringify(value)}`, { source: 'internal' })
}

/** What an operator may read of an unknown thrown value: its message, never a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
