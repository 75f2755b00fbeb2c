import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

/** Sends back in capitals whatever it is sent, by TCP and by UDP; the agent says where to listen. */
const port = Number(process.env['PORT'])

createServer(socket => {
  socket.setEncoding('utf8').on('data', text => socket.write(String(text).toUpperCase()))
  socket.on('error', () => {})
}).listen(port, '127.0.0.1')

const udp = createSocket('udp4')
udp.on('message', (datagram, from) => udp.send(datagram.toString().toUpperCase(), from.port, from.address))
udp.bind(port, '127.0.0.1')
