import { createSocket } from 'node:dgram'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { createServer, isIPv6 } from 'node:net'
import { messageOf } from '../core/index.ts'

export interface SocketPlace {
  readonly address: string
  readonly port: number
  /** Each has port numbers of its own. @default 'tcp' */
  readonly transport?: 'tcp' | 'udp'
}

/**
 * Whether a listener may be opened at this place.
 *
 * The workers listen with SO_REUSEPORT, which every other program of the same
 * user may use, too: the kernel would then deal out the connections among all
 * of them and tell nobody. So the main thread listens once without it, which
 * works only where nobody else does.
 *
 * @param own places where the workers listen: whoever covers the same port there may be ourselves
 * @returns why not, with what can be done; undefined when the place is free
 */
export async function probePort(place: SocketPlace, own: Iterable<SocketPlace>): Promise<string | undefined> {
  const code = await (place.transport === 'udp' ? bindOnce(place) : listenOnce(place))
  if (code === undefined) return undefined
  // 0.0.0.0:80 and 127.77.0.1:80 stand in each other's way here, though not among the workers.
  if (code === 'EADDRINUSE' && overlapsAny(place, own) && !(await hasForeignListener(place))) return undefined
  return describeListenError(code, place)
}

/** The system's answer to a listen, in words. */
export function describeListenError(code: string, { port }: SocketPlace): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'another program or another agent listens there already'
    case 'EACCES':
      return port < 1024
        ? 'ports below 1024 need a right that the agent lacks: give it CAP_NET_BIND_SERVICE, lower the sysctl net.ipv4.ip_unprivileged_port_start, or use a higher port'
        : 'the system does not permit it (EACCES)'
    case 'EADDRNOTAVAIL':
      return 'the address is not one of this machine'
    default:
      return `the system refuses it (${code})`
  }
}

/** Whether both would take connections to one address. */
export function overlaps(a: SocketPlace, b: SocketPlace): boolean {
  const isSameTransport = (a.transport ?? 'tcp') === (b.transport ?? 'tcp')
  return (
    isSameTransport && a.port === b.port && (a.address === b.address || isWildcard(a.address) || isWildcard(b.address))
  )
}

function overlapsAny(place: SocketPlace, others: Iterable<SocketPlace>): boolean {
  for (const other of others) if (overlaps(place, other)) return true
  return false
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

/** @returns the error's code, or undefined when the listen worked */
function listenOnce({ address, port }: SocketPlace): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  // Whoever connects in this moment finds nobody, as before.
  const server = createServer(socket => socket.destroy())
  server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? messageOf(error)))
  server.listen({ host: address, port, exclusive: true, backlog: 1 }, () => server.close(() => resolve(undefined)))
  return promise
}

/** As `listenOnce`; a datagram that comes in this moment is lost, as before. */
function bindOnce({ address, port }: SocketPlace): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' })
  socket.once('error', (error: NodeJS.ErrnoException) => {
    socket.close()
    resolve(error.code ?? messageOf(error))
  })
  socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve(undefined)))
  return promise
}

/** A listening socket of the kernel's tables. */
export interface ListeningSocket extends SocketPlace {
  readonly inode: string
}

/** Whether somebody else listens at the place; false where the system does not tell, since the workers' own listen then decides. */
async function hasForeignListener(place: SocketPlace): Promise<boolean> {
  try {
    const { transport = 'tcp' } = place
    const tables = await Promise.all(
      [transport, `${transport}6`].map(name => readFile(`/proc/self/net/${name}`, 'utf8').catch(() => '')),
    )
    const there = tables.flatMap(table => parseListening(table, transport)).filter(socket => overlaps(socket, place))
    const own = await ownInodes()
    return there.some(({ inode }) => !own.has(inode))
  } catch {
    return false
  }
}

async function ownInodes(): Promise<ReadonlySet<string>> {
  const directory = '/proc/self/fd'
  const links = await Promise.all(
    (await readdir(directory)).map(fd => readlink(`${directory}/${fd}`).catch(() => undefined)),
  )
  return new Set(links.flatMap(link => /^socket:\[(\d+)\]$/.exec(link ?? '')?.[1] ?? []))
}

/** LISTEN; of UDP CLOSE, which is every socket that is not connected. */
const listenStates = { tcp: '0A', udp: '07' } as const

/** Reads `/proc/net/tcp`, `tcp6`, `udp` or `udp6` (proc_pid_net(5)). */
export function parseListening(table: string, transport: 'tcp' | 'udp' = 'tcp'): ListeningSocket[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/)
      if (state !== listenStates[transport] || inode === undefined) return []
      const [address = '', port = ''] = local.split(':')
      return [{ address: parseAddress(address), port: Number.parseInt(port, 16), transport, inode }]
    })
}

/** Words of 32 bits in the byte order of a little-endian machine, which all of ours are. */
function parseAddress(hex: string): string {
  const bytes: number[] = []
  for (let word = 0; word < hex.length; word += 8) {
    for (let at = 6; at >= 0; at -= 2) bytes.push(Number.parseInt(hex.slice(word + at, word + at + 2), 16))
  }
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.every(byte => byte === 0)) return '::'
  const groups: string[] = []
  for (let at = 0; at < 16; at += 2) groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16))
  return groups.join(':').replace(/(^|:)0(:0)+(:|$)/, '::')
}
