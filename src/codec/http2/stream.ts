/**
 * One exchange. The session owns all fields but `user`; whoever uses the
 * session reads them.
 */
export class Http2Stream<User = unknown> {
  readonly id: number
  /** The caller's own object. */
  user: User | undefined
  /** What we may still send; negative after the peer made its windows smaller. */
  sendWindow: number
  /** What the peer may still send. */
  receiveWindow: number
  /** Bytes handed to the caller that it has not yet consumed. */
  unconsumed: number = 0
  /** Consumed bytes that no WINDOW_UPDATE gave back yet. */
  credit: number = 0
  /** We sent END_STREAM. */
  localEnded: boolean = false
  /** The peer sent END_STREAM. */
  remoteEnded: boolean = false
  /** Either side reset it, or the connection ended. */
  isReset: boolean = false
  /** Servers: a final response was begun. Clients: it was received. */
  headDone: boolean = false
  /** What Content-Length leaves to come, -1 when it says nothing. */
  bodyLeft: number = -1
  /** No DATA with content may come: the answer to HEAD, 204 or 304. */
  isBodiless: boolean = false
  /** Code of the request's method, from `methodCodes`. */
  method: number = 0
  /** A CONNECT: no HEADERS follow the head, and DATA has no length. */
  isTunnel: boolean = false
  /** `sendData` took less than it was given; `onWritable` will come. */
  isBlocked: boolean = false

  constructor(id: number, sendWindow: number, receiveWindow: number, user: User | undefined) {
    this.id = id
    this.sendWindow = sendWindow
    this.receiveWindow = receiveWindow
    this.user = user
  }

  /** Nothing more can be sent or received. */
  get isClosed(): boolean {
    return this.isReset || (this.localEnded && this.remoteEnded)
  }
}
