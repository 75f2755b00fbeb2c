/**
 * `node load/idle.ts HOST PORT COUNT PATH`: opens keep-alive connections, sends
 * one request on each, prints `ready` and holds them until its input ends.
 */
import { connect } from 'node:net'
import { once } from 'node:events'

const [host = '', port = '', count = '', path = ''] = process.argv.slice(2)
for (let opened = 0; opened < Number(count); opened += 1) {
  const socket = connect({ host, port: Number(port) })
  socket.on('error', error => {
    console.error(error.message)
    process.exit(1)
  })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`)
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  if (!bytes.toString('latin1').startsWith('HTTP/1.1 200')) throw new Error(bytes.toString('latin1'))
}
console.log('ready')
process.stdin.resume().on('end', () => process.exit(0))
