import { createSocket } from 'node:dgram'
import { connect, isIP } from 'node:net'
import { decodeDnsHeader, dnsHeaderBytes, DnsTcpFrames, frameDnsMessage, type SocketAddress } from '../codec/index.ts'

/** One question under way to one resolver. Disposing it closes its socket and calls nobody. */
export interface Attempt extends Disposable {
  /** The port that it was sent from; 0 until it has one. */
  readonly localPort: number
}

/** What came of an attempt: an answer to just this question, or that there is none to come. */
export interface AttemptEvents {
  answered(reply: Uint8Array): void
  failed(): void
}

/**
 * Sends a query from a port of its own. Whatever is no answer to it (another id,
 * another question, from elsewhere) is passed over: it may be forged, and the
 * true one still come.
 */
export function askByUdp(query: Uint8Array, server: SocketAddress, events: AttemptEvents): Attempt {
  const socket = createSocket(isIP(server.address) === 6 ? 'udp6' : 'udp4')
  let isOpen = true
  let localPort = 0
  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    socket.close()
  }
  const fail = (): void => {
    if (!isOpen) return
    close()
    events.failed()
  }
  socket.on('error', fail)
  socket.on('message', reply => {
    if (!isOpen || !isAnswerTo(query, reply)) return
    close()
    events.answered(reply)
  })
  // Connected, the kernel takes datagrams of the server alone and tells when nobody is there.
  socket.on('connect', () => {
    if (!isOpen) return
    localPort = socket.address().port
    socket.send(query, error => {
      if (error !== null) fail()
    })
  })
  socket.connect(server.port, server.address)
  return {
    get localPort() {
      return localPort
    },
    [Symbol.dispose]: close,
  }
}

export function askByTcp(query: Uint8Array, server: SocketAddress, events: AttemptEvents): Attempt {
  const socket = connect({ host: server.address, port: server.port })
  const frames = new DnsTcpFrames()
  let isOpen = true
  const close = (): void => {
    isOpen = false
    socket.destroy()
  }
  const fail = (): void => {
    if (!isOpen) return
    close()
    events.failed()
  }
  socket.on('error', fail)
  socket.on('close', fail)
  socket.on('data', (chunk: Buffer) => {
    for (const reply of frames.read(chunk)) {
      if (!isOpen || !isAnswerTo(query, reply)) continue
      close()
      events.answered(reply)
    }
  })
  socket.write(frameDnsMessage(query))
  return {
    get localPort() {
      return socket.localPort ?? 0
    },
    [Symbol.dispose]: close,
  }
}

/** Whether id and question are those of the query; a refusal may come without the question. */
export function isAnswerTo(query: Uint8Array, reply: Uint8Array): boolean {
  const header = decodeDnsHeader(reply)
  if (header === undefined || !header.flags.isResponse) return false
  if (reply[0] !== query[0] || reply[1] !== query[1]) return false
  if (header.counts[0] === 0) return header.responseCode !== 0
  const end = questionEnd(query)
  if (header.counts[0] !== 1 || reply.length < end) return false
  for (let at = dnsHeaderBytes; at < end; at++) if (lower(query[at]) !== lower(reply[at])) return false
  return true
}

/** Behind the only question of a query that was decoded before: its name has no pointers, since nothing is before it. */
export function questionEnd(query: Uint8Array): number {
  let at = dnsHeaderBytes
  for (let size = query[at] ?? 0; size !== 0; size = query[at] ?? 0) at += 1 + size
  return at + 5
}

/** Some resolvers write the name in letters of their own; types and lengths are no letters in a question of ours. */
function lower(byte: number | undefined): number {
  const value = byte ?? 0
  return value >= 0x41 && value <= 0x5a ? value | 0x20 : value
}
