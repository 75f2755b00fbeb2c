import { messageOf } from '../../core/index.ts'
import type { Logger } from '../../core/index.ts'
import { ListeningSockets } from '../../kernel/index.ts'
import type { SocketPlace } from '../../kernel/index.ts'
import type { Listener } from '../../model/index.ts'
import type { ListenPlace } from '../../proxy/index.ts'
import type { AgentKeeper } from './agent-keeper.ts'

export interface ListenerSocketsOptions {
  readonly keeper: AgentKeeper
  /** Each has a socket of its own at each place (SO_REUSEPORT). */
  readonly workers: number
  readonly logger: Logger
}

/** Which descriptors a worker accepts from, by `placeName`. */
export type SocketTable = ReadonlyMap<string, readonly number[]>

interface OpenPlace {
  readonly place: SocketPlace
  readonly sockets: readonly OpenSocket[]
}

interface OpenSocket {
  /** As the keeper knows it. */
  readonly name: string
  readonly fd: number
}

/** `tcp 127.0.0.1:80`, `udp ::1:53`: a key that is read backwards, too; with the cookie of another network namespace. */
export function placeName({ transport, address, port, network }: ListenPlace): string {
  return `${transport} ${address}:${port}${network === undefined ? '' : ` in ${network}`}`
}

/**
 * The listening sockets of an agent whose sockets outlive it. The main thread opens them, one for each worker, gives
 * them to the keeper, and tells the workers their numbers. Those that an agent before this one has left are used before
 * any is opened: connections wait in them. If there were more workers then, a worker gets several.
 */
export class ListenerSockets implements Disposable {
  readonly #options: ListenerSocketsOptions
  readonly #sockets = new ListeningSockets()
  readonly #open = new Map<string, OpenPlace>()
  /** Workers may still have to take or to end them. */
  readonly #removed: OpenPlace[] = []

  constructor(options: ListenerSocketsOptions) {
    this.#options = options
  }

  /** Places that are ours, or were an earlier agent's. */
  places(): readonly SocketPlace[] {
    const left = [...this.#options.keeper.left].flatMap(name => placeOfSocket(name) ?? [])
    return [...[...this.#open.values()].map(({ place }) => place), ...left]
  }

  /** Whether somebody who listens there is ourselves. */
  has(place: Omit<SocketPlace, 'transport'> & { readonly transport?: 'tcp' | 'udp' }): boolean {
    const name = placeName({ ...place, transport: place.transport ?? 'tcp' })
    return this.places().some(each => placeName(each) === name)
  }

  /** Opens what is missing; what is too much is closed by `closeRemoved`. */
  update(listeners: ReadonlyMap<string, Listener>): void {
    const wanted = new Map<string, SocketPlace>()
    for (const { protocol, address, port } of listeners.values()) {
      const place: SocketPlace = { transport: protocol === 'UDP' ? 'udp' : 'tcp', address, port }
      if (port > 0) wanted.set(placeName(place), place)
    }
    for (const [name, open] of this.#open) {
      if (wanted.has(name)) continue
      this.#open.delete(name)
      this.#removed.push(open)
    }
    const opened: OpenSocket[] = []
    for (const [name, place] of wanted) if (!this.#open.has(name)) opened.push(...this.#openPlace(name, place))
    this.#options.keeper.keep('socket', opened)
  }

  /** @returns those that the keeper does not have yet */
  #openPlace(name: string, place: SocketPlace): readonly OpenSocket[] {
    const { keeper, workers, logger } = this.#options
    const sockets: OpenSocket[] = []
    for (const socket of keeper.left) {
      if (!socket.startsWith(`${name} `)) continue
      const fd = keeper.take(socket)
      if (fd !== undefined) sockets.push({ name: socket, fd })
    }
    const opened: OpenSocket[] = []
    try {
      for (let number = 0; sockets.length + opened.length < workers; number++) {
        const socket = `${name} ${number}`
        if (sockets.some(each => each.name === socket)) continue
        opened.push({ name: socket, fd: this.#sockets.open(place) })
      }
    } catch (error) {
      // The workers try it themselves, and tell why they can't.
      logger.debug('a socket could not be opened ahead', { place: name, error: messageOf(error) })
      for (const { fd } of opened) this.#sockets.close(fd)
      if (sockets.length === 0) return []
      opened.length = 0
    }
    this.#open.set(name, { place, sockets: [...sockets, ...opened] })
    return opened
  }

  /** @param worker  from 0 */
  tableOf(worker: number): SocketTable {
    const { workers } = this.#options
    return new Map(
      [...this.#open].map(([name, { sockets }]) => [
        name,
        sockets.filter((_, index) => index % workers === worker).map(({ fd }) => fd),
      ]),
    )
  }

  /** To be called when all workers have in force what they were told. */
  closeRemoved(): void {
    const gone = this.#removed.splice(0).flatMap(({ sockets }) => sockets)
    for (const { fd } of gone) this.#sockets.close(fd)
    const held = new Set([...this.#open.values()].flatMap(({ sockets }) => sockets.map(({ name }) => name)))
    this.#options.keeper.drop(gone.map(({ name }) => name).filter(name => !held.has(name)))
  }

  /** Ends what an earlier agent has left at places that nobody wants any more. */
  closeLeft(): void {
    const { keeper } = this.#options
    const names = [...keeper.left].filter(name => placeOfSocket(name) !== undefined)
    for (const name of names) {
      const fd = keeper.take(name)
      if (fd === undefined) continue
      if (name.startsWith('tcp ')) this.#sockets.endListening(fd)
      this.#sockets.close(fd)
    }
    keeper.drop(names)
  }

  /** The keeper's copies stay. */
  [Symbol.dispose](): void {
    for (const { sockets } of [...this.#open.values(), ...this.#removed]) {
      for (const { fd } of sockets) this.#sockets.close(fd)
    }
    this.#open.clear()
    this.#removed.length = 0
    this.#sockets[Symbol.dispose]()
  }
}

/** @returns undefined for what is no listening socket */
function placeOfSocket(name: string): SocketPlace | undefined {
  const found = /^(tcp|udp) (.*):(\d+) \d+$/.exec(name)
  if (found === null) return undefined
  return { transport: found[1] === 'udp' ? 'udp' : 'tcp', address: found[2] ?? '', port: Number(found[3]) }
}
