/** Prices as they change, over a WebSocket (RFC 6455) written by hand: it only sends, and stops at any close. */
import { createHash } from 'node:crypto'
import { serve } from './serve.ts'

const server = serve(() => ({ status: 426, headers: { upgrade: 'websocket' }, body: { error: 'speak WebSocket' } }))

server.on('upgrade', (request, socket) => {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Accept: ${createHash('sha1').update(key).digest('base64')}\r\n\r\n`,
  )
  const timer = setInterval(() => {
    const text = JSON.stringify({ product: 'Loom', price: 240 + Math.round(Math.random() * 20) })
    // One unmasked text frame: FIN and opcode 1, then the length (below 126), then the bytes.
    socket.write(Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]))
  }, 500)
  // The client's frames are not read, save a close (opcode 8), which ends the connection.
  socket.on('data', (bytes: Buffer) => ((bytes[0] ?? 0) & 0x0f) === 8 && socket.end(Buffer.from([0x88, 0])))
  socket.on('error', () => socket.destroy())
  socket.on('close', () => clearInterval(timer))
})
