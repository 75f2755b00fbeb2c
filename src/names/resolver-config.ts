import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import type { Clock } from '../core/index.ts'
import type { SocketAddress } from '../codec/index.ts'

/** As many as the resolver of glibc asks (resolv.conf(5), MAXNS). */
const maxServers = 3
/** The file is looked at again when a name is asked for after this, since it changes with the network. */
const lookMs = 1_000

/**
 * The servers of a resolv.conf(5), the machine itself when it names none. Search
 * lists and `ndots` are for whoever asks us, not for us.
 */
export function parseResolverConfig(text: string): readonly SocketAddress[] {
  const servers: SocketAddress[] = []
  for (const line of text.split('\n')) {
    const address = /^nameserver[ \t]+([^ \t\r;#]+)/.exec(line)?.[1]
    if (address !== undefined && isIP(address) !== 0 && servers.length < maxServers) servers.push({ address, port: 53 })
  }
  return servers.length === 0 ? [{ address: '127.0.0.1', port: 53 }] : servers
}

/** The resolvers of the machine as they are now. A file that cannot be read leaves those that were. */
export class SystemResolvers {
  readonly #path: string
  readonly #clock: Clock
  #servers: readonly SocketAddress[] = parseResolverConfig('')
  #stamp = ''
  #lookAgainMs = -Infinity

  constructor(path: string, clock: Clock) {
    this.#path = path
    this.#clock = clock
  }

  get servers(): readonly SocketAddress[] {
    const nowMs = this.#clock.nowMs()
    if (nowMs < this.#lookAgainMs) return this.#servers
    this.#lookAgainMs = nowMs + lookMs
    try {
      const { ino, size, mtimeMs, ctimeMs } = statSync(this.#path)
      const stamp = `${ino} ${size} ${mtimeMs} ${ctimeMs}`
      if (stamp === this.#stamp) return this.#servers
      this.#servers = parseResolverConfig(readFileSync(this.#path, 'utf8'))
      this.#stamp = stamp
    } catch {
      // While it is replaced it may be away for a moment.
    }
    return this.#servers
  }
}
