/** In our order of preference. */
const http: readonly string[] = ['h2', 'http/1.1']

/** The first of ours that the client speaks; undefined refuses the handshake (RFC 7301 section 3.2). */
export function firstShared(ours: readonly string[], protocols: readonly string[]): string | undefined {
  return ours.find(protocol => protocols.includes(protocol))
}

export function chooseHttp(protocols: readonly string[]): string | undefined {
  return firstShared(http, protocols)
}
