/** One request by HTTP/2, to know whether a program serves. */
import { connect } from 'node:http2'
import type { OutgoingHttpHeaders } from 'node:http2'

/** A message of gRPC without compression: five bytes before its content. */
export const grpcMessage: Buffer = Buffer.concat([Buffer.from([0, 0, 0, 0, 24]), Buffer.alloc(24, 'm')])

export const grpcHeaders: readonly (readonly [string, string])[] = [
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
  ['user-agent', 'grpc-node-js/1.14'],
  ['grpc-accept-encoding', 'identity,deflate,gzip'],
]

/** @returns undefined without an answer */
export async function statusByHttp2(url: string): Promise<number | undefined> {
  return ask(url, {}, undefined)
}

/** @returns 200 when the call has ended well */
export async function callOfGrpc(url: string): Promise<number | undefined> {
  return ask(url, { ':method': 'POST', ...Object.fromEntries(grpcHeaders) }, grpcMessage)
}

function ask(url: string, headers: OutgoingHttpHeaders, body: Buffer | undefined): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  const { origin, pathname } = new URL(url)
  const session = connect(origin, { rejectUnauthorized: false })
  let status: number | undefined
  session.on('error', () => resolve(undefined))
  const stream = session.request({ ':path': pathname, ...headers }, { endStream: body === undefined })
  stream.on('error', () => resolve(undefined))
  stream.on('response', answer => (status = answer[':status']))
  stream.on('trailers', trailers => {
    if (body !== undefined && trailers['grpc-status'] !== '0') status = undefined
  })
  stream.on('close', () => {
    resolve(status)
    session.destroy()
  })
  if (body !== undefined) stream.end(body)
  stream.resume()
  return promise
}
