import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NativeCalls } from '../syscall.ts'
import { socketFunctions } from '../socket-functions.ts'
import { ipprotoTcp, soKeepalive, solSocket, tcpKeepcnt, tcpKeepidle, tcpKeepintvl } from './calls.ts'
import { ListeningSockets } from './listening-sockets.ts'
import type { KeptListening } from './socket-listener.ts'
import type { OpenListening, SocketTransport } from './socket-transport.ts'
import type { Socket } from './socket.ts'
import { accept, nodeClient, nodeServer, openTestTransport, Watcher } from './testing.ts'

/** Whether the kernel asks a silent peer, after how many seconds, how often and how many times. */
function keepAliveOf({ fd }: Socket): readonly number[] {
  using native = new NativeCalls({ getsockopt: socketFunctions.getsockopt })
  const value = Buffer.allocUnsafeSlow(4)
  const length = Buffer.allocUnsafeSlow(4)
  return [
    [solSocket, soKeepalive],
    [ipprotoTcp, tcpKeepidle],
    [ipprotoTcp, tcpKeepintvl],
    [ipprotoTcp, tcpKeepcnt],
  ].map(([level = 0, option = 0]) => {
    length.writeInt32LE(4)
    const result = native.call.getsockopt(fd, level, option, native.pointerTo(value), native.pointerTo(length))
    assert.equal(result, 0)
    return value.readInt32LE()
  })
}

const asked = [1, 60, 20, 3]

test('a connection that is opened asks a silent peer', async t => {
  const transport = openTestTransport(t)
  const server = await nodeServer(t)
  const watcher = new Watcher()
  const socket = transport.connect('127.0.0.1', server.port, watcher, watcher.onConnect)
  await watcher.until(() => watcher.has('connect'))
  assert.deepEqual(keepAliveOf(socket), asked)
})

test('one that is accepted has that from its listening socket, of either family', async t => {
  const transport = openTestTransport(t)
  for (const address of ['127.0.0.1', '::1']) {
    const accepting = await accept(transport, { address })
    await nodeClient(t, accepting.port, address)
    assert.deepEqual(keepAliveOf((await accepting.next()).socket), asked)
    accepting.listener.close()
  }
})

test('one that is accepted from a socket which somebody else has opened and holds, too', async t => {
  const transport = openTestTransport(t)
  using listening = new ListeningSockets()
  const first = listening.open({ transport: 'tcp', address: '127.0.0.1', port: 0 })
  const come = Promise.withResolvers<Socket>()
  const kept = {
    descriptors: [listening.copy(first)],
    goesOn: () => false,
    endListening: (fd: number) => listening.endListening(fd),
  }
  const listener = await listenOn(transport, kept, come.resolve)
  await nodeClient(t, listener.port)
  assert.deepEqual(keepAliveOf(await come.promise), asked)
  listener.close()
  listening.close(first)
})

function listenOn(
  transport: SocketTransport,
  kept: KeptListening,
  onSocket: (socket: Socket) => void,
): Promise<OpenListening> {
  const onConnection = (socket: Socket): void => {
    socket.handler = new Watcher()
    onSocket(socket)
  }
  return transport.listen({ address: '127.0.0.1', port: 0, kept, onConnection, onError: error => assert.fail(error) })
}
