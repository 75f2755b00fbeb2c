import type { HeaderList } from '../../codec/index.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import type { EditPlan } from './header-edits.ts'
import type { LocalReply } from './local-reply-text.ts'

/** Takes an answer that comes piece by piece. */
export interface AnswerSink {
  /** Whoever sends to it should stop until `onClientWritable` of the exchange. */
  readonly isBlocked: boolean
  /** @param lines  further header lines, each with its CRLF */
  head(answer: AnswerHead, lines: string, edits: EditPlan | undefined): void
  /** In the form of the head. */
  body(bytes: Buffer, start: number, end: number): void
  end(trailers: HeaderList | undefined): void
}

/**
 * Writes one answer to a client after the other, in the client's version of
 * HTTP. The client's side makes it ready for each request before the exchange
 * begins.
 */
export abstract class Answer implements AnswerSink {
  status = 0
  /** Bytes of body; with chunk framing where the client gets some. */
  bodyBytes = 0
  /** Whether the answer is the connection's last; means nothing where requests have streams of their own. */
  closeAfter = false

  /** The client is behind. */
  abstract get isBlocked(): boolean
  abstract head(answer: AnswerHead, lines: string, edits: EditPlan | undefined): void
  /** 1xx. */
  abstract interim(answer: AnswerHead): void
  /** 100 (Continue): the client sends the body that it held back. */
  abstract askForBody(): void
  /** The protocol is changed to the one that the client asked for. */
  abstract upgrade(answer: AnswerHead, edits: EditPlan | undefined): void
  abstract body(bytes: Buffer, start: number, end: number): void
  abstract end(trailers: HeaderList | undefined): void
  /** A whole answer of our own making. */
  abstract reply(reply: LocalReply): void
  /** What was begun can't be completed: the client must not take what it has for the whole. */
  abstract break(): void
}
