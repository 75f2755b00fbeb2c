/** `node load/grpc-echo.ts PORT`: answers every call of gRPC with its own messages, each as soon as it has come. */
import { createServer } from 'node:net'
import { createEntry, HeaderList } from '../../src/codec/index.ts'
import { Http2Peer } from './http2-peer.ts'
import { grpcMessage } from './probe.ts'

const head = listOf({ ':status': '200', 'content-type': 'application/grpc' })
const trailers = listOf({ 'grpc-status': '0' })

function listOf(fields: Readonly<Record<string, string>>): HeaderList {
  const list = new HeaderList()
  for (const [name, value] of Object.entries(fields)) list.add(createEntry(name, value))
  return list
}

createServer(socket => {
  const { session } = new Http2Peer('server', socket, {
    onHead: stream => void session.sendHeaders(stream, head, false),
    onContent(stream, bytes) {
      // `user` counts what has come of the next message.
      let come = (stream.user ?? 0) + bytes
      for (; come >= grpcMessage.length; come -= grpcMessage.length) {
        session.sendData(stream, grpcMessage, 0, grpcMessage.length, false)
      }
      stream.user = come
    },
    onEnd: stream => void session.sendHeaders(stream, trailers, true),
    onFailure: () => socket.destroy(),
  })
}).listen(Number(process.argv[2]), '127.0.0.1')
