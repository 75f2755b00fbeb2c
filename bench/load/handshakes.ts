/**
 * One TLS handshake and one request after the other, each on a connection of its own.
 *
 *     node load/handshakes.ts HOST PORT SECONDS LANES resume|full PATH
 *
 * prints `{ handshakes, errors, perSecond }`. With `resume` each lane goes on with the session of its last connection;
 * a server that does not take it up is an error.
 */
import { connect } from 'node:tls'

const [host = '', port = '', seconds = '', lanes = '', mode = '', path = ''] = process.argv.slice(2)
const request = `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`
// Trust costs the client alone. The key exchange is one that every version of OpenSSL knows: newer ones prefer
// X25519MLKEM768, which costs both sides more, and one contestant would do other work than another.
const to = {
  host,
  port: Number(port),
  rejectUnauthorized: false,
  ALPNProtocols: ['http/1.1'],
  ecdhCurve: 'X25519',
} as const
const startMs = performance.now()
const endMs = startMs + Number(seconds) * 1000
let handshakes = 0
let errors = 0

function handshake(session: Buffer | undefined): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>()
  const socket = connect({ ...to, session })
  let next: Buffer | undefined
  let answer = ''
  socket.setEncoding('latin1')
  socket.on('session', (given: Buffer) => (next = given))
  socket.once('secureConnect', () => {
    if (mode === 'resume' && session !== undefined && !socket.isSessionReused()) errors += 1
    socket.write(request)
  })
  socket.on('data', (text: string) => (answer += text))
  socket.on('error', () => {})
  socket.once('close', () => {
    if (answer.startsWith('HTTP/1.1 200')) handshakes += 1
    else errors += 1
    resolve(mode === 'resume' ? next : undefined)
  })
  return promise
}

await Promise.all(
  Array.from({ length: Number(lanes) }, async () => {
    let session: Buffer | undefined
    while (performance.now() < endMs) session = await handshake(session)
  }),
)
console.log(JSON.stringify({ handshakes, errors, perSecond: handshakes / ((performance.now() - startMs) / 1000) }))
