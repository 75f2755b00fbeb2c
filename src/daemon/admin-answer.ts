/** An answer of the admin pages: data, so that routing is a function and only the server touches sockets. */
export interface AdminAnswer {
  readonly status: number
  readonly contentType: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
}

/** The one shape of errors of all admin endpoints. */
export interface AdminErrorBody {
  readonly error: {
    /** Stable; match by this. */
    readonly code: string
    readonly message: string
    /** What to do about it. */
    readonly hint?: string
  }
}

export function json(value: unknown, status = 200): AdminAnswer {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(value, undefined, 2)}\n` }
}

export function text(body: string, status = 200): AdminAnswer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` }
}

export function failure(status: number, code: string, message: string, hint?: string): AdminAnswer {
  const body: AdminErrorBody = { error: { code, message, ...(hint === undefined ? {} : { hint }) } }
  return json(body, status)
}
