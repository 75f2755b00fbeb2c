import * as grpc from '@grpc/grpc-js'
import type { PemPair } from './certificates.ts'

/** Messages are bytes: what the proxy carries is none of its business. */
const bytes = (message: Buffer): Buffer => message

function method(
  name: string,
  form: { readonly requestStream: boolean; readonly responseStream: boolean },
): grpc.MethodDefinition<Buffer, Buffer> {
  return {
    path: `/test.Echo/${name}`,
    ...form,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  }
}

const service = {
  unary: method('Unary', { requestStream: false, responseStream: false }),
  upload: method('Upload', { requestStream: true, responseStream: false }),
  download: method('Download', { requestStream: false, responseStream: true }),
  both: method('Both', { requestStream: true, responseStream: true }),
}

export interface EchoMethods {
  readonly unary?: grpc.handleUnaryCall<Buffer, Buffer>
  readonly upload?: grpc.handleClientStreamingCall<Buffer, Buffer>
  readonly download?: grpc.handleServerStreamingCall<Buffer, Buffer>
  readonly both?: grpc.handleBidiStreamingCall<Buffer, Buffer>
}

/** Upload tells how many bytes came, download says five times what it was asked, both gives everything back. */
export const echoStreams: EchoMethods = {
  upload(call, done) {
    let length = 0
    call.on('data', (piece: Buffer) => (length += piece.length))
    call.on('end', () => done(null, Buffer.from(String(length))))
  },
  download(call) {
    for (let index = 0; index < 5; index++) call.write(Buffer.from(`${call.request.toString()} ${index}`))
    call.end()
  },
  both(call) {
    call.on('data', (piece: Buffer) => call.write(piece))
    call.on('end', () => call.end())
  },
}

/** A server of `test.Echo` on grpc-js, which nobody here wrote. */
export class GrpcServer implements AsyncDisposable {
  readonly port: number
  readonly #server: grpc.Server

  private constructor(server: grpc.Server, port: number) {
    this.#server = server
    this.port = port
  }

  /** @param pair  of a server by TLS */
  static async start(methods: EchoMethods, port = 0, pair?: PemPair): Promise<GrpcServer> {
    const server = new grpc.Server({ 'grpc.max_receive_message_length': -1 })
    server.addService(service, { ...methods })
    const credentials = pair === undefined ? grpc.ServerCredentials.createInsecure() : tlsOf(pair)
    const bound = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, credentials, (error, found) => (error ? reject(error) : resolve(found)))
    })
    return new GrpcServer(server, bound)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown()
  }
}

function tlsOf({ chain, key }: PemPair): grpc.ServerCredentials {
  return grpc.ServerCredentials.createSsl(null, [{ private_key: Buffer.from(key), cert_chain: Buffer.from(chain) }])
}

/** How a unary call, or one that streams to the server, ended. */
export interface Ended {
  readonly code: number
  readonly details: string
  readonly message: Buffer | undefined
  readonly head: grpc.Metadata
  readonly trailers: grpc.Metadata
}

/** A client of `test.Echo` on grpc-js, with one connection. */
export class GrpcClient implements Disposable {
  readonly #client: grpc.Client

  /**
   * @param target  a port here, or `address:port`
   * @param authority  PEM, for TLS
   */
  constructor(target: number | string, options: grpc.ClientOptions = {}, authority?: string) {
    const address = typeof target === 'number' ? `127.0.0.1:${target}` : target
    const { credentials } = grpc
    const own = authority === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(authority))
    this.#client = new grpc.Client(address, own, {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      // Retries would hide what the proxy does.
      'grpc.enable_retries': 0,
      ...options,
    })
  }

  unary(message: Buffer, metadata?: grpc.Metadata, options?: grpc.CallOptions): Promise<Ended> {
    return endOf(done =>
      this.#client.makeUnaryRequest(
        service.unary.path,
        bytes,
        bytes,
        message,
        metadata ?? new grpc.Metadata(),
        options ?? {},
        done,
      ),
    )
  }

  upload(write: (call: grpc.ClientWritableStream<Buffer>) => void): Promise<Ended> {
    return endOf(done => {
      const call = this.#client.makeClientStreamRequest(service.upload.path, bytes, bytes, done)
      write(call)
      return call
    })
  }

  download(message: Buffer, options: grpc.CallOptions = {}): grpc.ClientReadableStream<Buffer> {
    return this.#client.makeServerStreamRequest(service.download.path, bytes, bytes, message, options)
  }

  both(options: grpc.CallOptions = {}, metadata?: grpc.Metadata): grpc.ClientDuplexStream<Buffer, Buffer> {
    const { path } = service.both
    return this.#client.makeBidiStreamRequest(path, bytes, bytes, metadata ?? new grpc.Metadata(), options)
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }
}

type Done = (error: grpc.ServiceError | null, message?: Buffer) => void

function endOf(begin: (done: Done) => grpc.ClientUnaryCall | grpc.ClientWritableStream<Buffer>): Promise<Ended> {
  return new Promise(resolve => {
    let message: Buffer | undefined
    let head = new grpc.Metadata()
    const call = begin((_error, answer) => (message = answer))
    call.on('metadata', (metadata: grpc.Metadata) => (head = metadata))
    call.on('status', ({ code, details, metadata }: grpc.StatusObject) => {
      // The callback comes after the status.
      setImmediate(() => resolve({ code, details, message, head, trailers: metadata }))
    })
  })
}

/** How a call that streams to the client ended; an error event alone would end the test. */
export function statusOf(
  call: grpc.ClientReadableStream<Buffer> | grpc.ClientDuplexStream<Buffer, Buffer>,
): Promise<grpc.StatusObject> {
  call.on('error', () => {})
  return new Promise(resolve => call.on('status', resolve))
}
