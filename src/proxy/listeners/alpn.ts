/** Whether `h2` is offered: the one place to say that the proxy speaks HTTP/2 with its clients. */
const offersHttp2 = false

/** In our order of preference. */
const offered: readonly string[] = offersHttp2 ? ['h2', 'http/1.1'] : ['http/1.1']

/** The first of ours that the client speaks; undefined refuses the handshake (RFC 7301 section 3.2). */
export function chooseAlpn(protocols: readonly string[]): string | undefined {
  return offered.find(protocol => protocols.includes(protocol))
}
