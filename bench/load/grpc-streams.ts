/**
 * Calls of gRPC that stream in both directions: on each, a message is sent when the answer to the last one has come.
 *
 *     node load/grpc-streams.ts HOST PORT CONNECTIONS STREAMS SECONDS PATH…
 *
 * prints `{ messages, perSecond, errors }`; a message went to the backend and came back.
 */
import { connect } from 'node:net'
import { createEntry, HeaderList } from '../../src/codec/index.ts'
import { Http2Peer } from './http2-peer.ts'
import { grpcHeaders, grpcMessage } from './probe.ts'

const [host = '', port = '', connections = '', streams = '', seconds = '', ...paths] = process.argv.slice(2)

let messages = 0
let errors = 0
let open = 0
let isOver = false
const ended = Promise.withResolvers<void>()

function headOf(path: string): HeaderList {
  const list = new HeaderList()
  const fields = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', `${host}:${port}`],
  ] as const
  for (const [name, value] of [...fields, ...grpcHeaders]) list.add(createEntry(name, value))
  return list
}

function openPeer(index: number): Http2Peer {
  const socket = connect({ host, port: Number(port) })
  const peer = new Http2Peer('client', socket, {
    onHead: (_stream, { status }) => void (errors += status === 200 ? 0 : 1),
    onContent(stream, bytes) {
      let come = (stream.user ?? 0) + bytes
      for (; come >= grpcMessage.length; come -= grpcMessage.length) {
        messages += 1
        session.sendData(stream, isOver ? Buffer.alloc(0) : grpcMessage, 0, isOver ? 0 : grpcMessage.length, isOver)
      }
      stream.user = come
    },
    onEnd(_stream, trailers) {
      if (trailers?.value('grpc-status') !== '0') errors += 1
      if (--open === 0) ended.resolve()
    },
    onFailure(problem) {
      console.error(problem)
      errors += 1
      ended.resolve()
    },
  })
  const { session } = peer
  socket.once('connect', () => {
    for (let number = 0; number < Number(streams); number += 1) {
      const path = paths[(index * Number(streams) + number) % paths.length] ?? '/'
      const stream = session.request(headOf(path), false, 0)
      if (stream === undefined) throw new Error('the connection takes no more calls')
      open += 1
      session.sendData(stream, grpcMessage, 0, grpcMessage.length, false)
    }
    peer.flush()
  })
  return peer
}

const startMs = performance.now()
for (let index = 0; index < Number(connections); index += 1) openPeer(index)
setTimeout(() => (isOver = true), Number(seconds) * 1000)
const late = setTimeout(
  () => {
    errors += open
    ended.resolve()
  },
  (Number(seconds) + 5) * 1000,
)
await ended.promise
clearTimeout(late)
const perSecond = messages / ((performance.now() - startMs) / 1000)
console.log(JSON.stringify({ messages, perSecond, errors }))
process.exit(0)
