/**
 * A process that holds many connections: opened in groups from several
 * loopback addresses, since one has no more than some 28,000 ports.
 */
import net from 'node:net'

export type GeneratorRequest =
  | { readonly kind: 'open'; readonly port: number; readonly count: number }
  /** One request on every connection. @returns how many were answered with 200 and the right body */
  | { readonly kind: 'ask' }
  | { readonly kind: 'close' }

const groupSize = 500
const sockets: net.Socket[] = []
const received = new Map<net.Socket, (text: string) => void>()

async function inGroups(count: number, action: (index: number) => Promise<void>): Promise<void> {
  for (let start = 0; start < count; start += groupSize) {
    const group = Array.from({ length: Math.min(groupSize, count - start) }, (_, index) => action(start + index))
    await Promise.all(group)
  }
}

async function open(port: number, index: number): Promise<void> {
  const socket = net.connect({ host: '127.0.0.1', port, localAddress: `127.0.0.${2 + (index % 8)}` })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.on('data', chunk => received.get(socket)?.(chunk.toString('latin1')))
  sockets.push(socket)
}

async function ask(socket: net.Socket, path: string): Promise<boolean> {
  let text = ''
  const answered = new Promise<boolean>(resolve => {
    received.set(socket, piece => {
      text += piece
      if (text.endsWith(`\r\n\r\n${path}`)) resolve(text.startsWith('HTTP/1.1 200 '))
    })
    socket.once('close', () => resolve(false))
  })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
  return answered
}

async function answer(request: GeneratorRequest): Promise<number> {
  switch (request.kind) {
    case 'open':
      await inGroups(request.count, async index => open(request.port, index))
      return sockets.length
    case 'ask': {
      let answered = 0
      await inGroups(sockets.length, async index => {
        const socket = sockets[index]
        if (socket !== undefined && (await ask(socket, `/of/${index}`))) answered++
      })
      return answered
    }
    case 'close':
      for (const socket of sockets) socket.destroy()
      return sockets.splice(0).length
  }
}

process.on('message', (message: { id: number; request: GeneratorRequest }) => {
  void answer(message.request).then(
    result => process.send?.({ id: message.id, result }),
    (error: unknown) => process.send?.({ id: message.id, error: String(error) }),
  )
})
process.on('disconnect', () => process.exit(0))
