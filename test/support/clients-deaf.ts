/**
 * Listens on a free port, writes its number and stops for good, so that it
 * never accepts: once the two places of its queue are taken, the kernel leaves
 * every further connection attempt without an answer.
 */
import { writeSync } from 'node:fs'
import net from 'node:net'

const server = net.createServer()
server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
  const address = server.address()
  writeSync(1, `${typeof address === 'object' && address !== null ? address.port : 0}\n`)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})
