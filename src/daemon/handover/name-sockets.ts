import { ListeningSockets } from '../../kernel/index.ts'
import type { SocketPlace } from '../../kernel/index.ts'
import type { KeptNameSockets, NameDescriptors } from '../../names/index.ts'
import type { AgentKeeper } from './agent-keeper.ts'

type Address = NameDescriptors['address']
type Purpose = Parameters<KeptNameSockets['open']>[1]

/** A port that is free for TCP may be taken for UDP. */
const portTries = 16

/**
 * The sockets that names are asked at, of an agent whose sockets outlive it: queries wait for the next one. What the
 * kernel leads to these sockets is led to the same ones then.
 */
export class NameSockets implements KeptNameSockets, Disposable {
  readonly #keeper: AgentKeeper
  readonly #sockets = new ListeningSockets()
  readonly #open: number[] = []

  /** @param keeper  borrowed */
  constructor(keeper: AgentKeeper) {
    this.#keeper = keeper
  }

  open(address: Address, purpose: Purpose): NameDescriptors {
    const found = this.#takeLeft(address, purpose) ?? this.#openNew(address, purpose)
    this.#open.push(found.udp, found.tcp)
    // Copies for the server: what the keeper may have to be given once more must stay open.
    return { ...found, udp: this.#sockets.copy(found.udp), tcp: this.#sockets.copy(found.tcp) }
  }

  #takeLeft({ address, port }: Address, purpose: Purpose): NameDescriptors | undefined {
    for (const name of this.#keeper.left) {
      const place = placeOf(name, purpose)
      if (place?.transport !== 'tcp' || place.address !== address || (port !== 0 && place.port !== port)) continue
      const datagrams = nameOf(purpose, { ...place, transport: 'udp' })
      if (!this.#keeper.left.has(datagrams)) continue
      const [tcp, udp] = [this.#keeper.take(name), this.#keeper.take(datagrams)]
      if (tcp !== undefined && udp !== undefined) return { address: { address, port: place.port }, udp, tcp }
    }
    return undefined
  }

  #openNew({ address, port: wanted }: Address, purpose: Purpose): NameDescriptors {
    for (let left = wanted === 0 ? portTries : 1; ; left--) {
      const { fd: tcp, port } = this.#sockets.openAt({ transport: 'tcp', address, port: wanted })
      try {
        const { fd: udp } = this.#sockets.openAt({ transport: 'udp', address, port })
        this.#keeper.keep('socket', [
          { name: nameOf(purpose, { transport: 'tcp', address, port }), fd: tcp },
          { name: nameOf(purpose, { transport: 'udp', address, port }), fd: udp },
        ])
        return { address: { address, port }, udp, tcp }
      } catch (error) {
        this.#sockets.close(tcp)
        if (left <= 1) throw error
      }
    }
  }

  /** Ends what an earlier agent has left at places where names are answered no more. */
  closeLeft(): void {
    const names = [...this.#keeper.left].filter(name => name.startsWith(mark))
    for (const name of names) {
      const fd = this.#keeper.take(name)
      if (fd !== undefined) this.#sockets.close(fd)
    }
    this.#keeper.drop(names)
  }

  /** The keeper's copies stay. */
  [Symbol.dispose](): void {
    for (const fd of this.#open) this.#sockets.close(fd)
    this.#open.length = 0
    this.#sockets[Symbol.dispose]()
  }
}

const mark = 'names '

function nameOf(purpose: Purpose, { transport, address, port }: SocketPlace): string {
  return `${mark}${purpose} ${transport} ${address}:${port}`
}

function placeOf(name: string, purpose: Purpose): SocketPlace | undefined {
  const found = /^names (\w+) (tcp|udp) (.*):(\d+)$/.exec(name)
  if (found === null || found[1] !== purpose) return undefined
  return { transport: found[2] === 'udp' ? 'udp' : 'tcp', address: found[3] ?? '', port: Number(found[4]) }
}
