import { errorCodes } from './codes.ts'

/**
 * All that can be wrong with what an HTTP/2 peer sends, and how it is told: a
 * problem of scope `stream` ends one stream by RST_STREAM, one of scope
 * `connection` ends all by GOAWAY, either with `code` (RFC 9113 section 5.4).
 */
export const http2Problems = {
  // connection and frames
  'invalid-preface': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'The client does not begin with the HTTP/2 preface.',
  },
  'missing-settings': { scope: 'connection', code: 'PROTOCOL_ERROR', about: 'The first frame is not SETTINGS.' },
  'frame-too-large': {
    scope: 'connection',
    code: 'FRAME_SIZE_ERROR',
    about: 'A frame is larger than the announced SETTINGS_MAX_FRAME_SIZE.',
  },
  'invalid-frame-length': {
    scope: 'connection',
    code: 'FRAME_SIZE_ERROR',
    about: 'A frame has a length that its type does not allow.',
  },
  'invalid-priority-length': {
    scope: 'stream',
    code: 'FRAME_SIZE_ERROR',
    about: 'A PRIORITY frame is not 5 bytes long.',
  },
  'invalid-padding': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'Padding is as long as the payload or longer.',
  },
  'stream-frame-on-connection': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'A frame that belongs to a stream has stream id 0.',
  },
  'connection-frame-on-stream': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'A frame that belongs to the connection has a stream id.',
  },
  'unexpected-continuation': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'CONTINUATION follows nothing that it could continue.',
  },
  'interrupted-field-block': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'Another frame stands between HEADERS and its CONTINUATION.',
  },
  'push-promise': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'PUSH_PROMISE came although push is disabled or from a client.',
  },
  // streams
  'idle-stream': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'A frame other than HEADERS or PRIORITY names an idle stream.',
  },
  'invalid-stream-id': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'A new stream has an id that is not the peer’s to use or not above the former ones.',
  },
  'closed-stream': {
    scope: 'connection',
    code: 'STREAM_CLOSED',
    about: 'DATA or HEADERS came on a stream that is closed.',
  },
  'half-closed-stream': { scope: 'stream', code: 'STREAM_CLOSED', about: 'DATA or HEADERS came after END_STREAM.' },
  'too-many-streams': {
    scope: 'stream',
    code: 'REFUSED_STREAM',
    about: 'A new stream exceeds SETTINGS_MAX_CONCURRENT_STREAMS.',
  },
  'self-dependency': { scope: 'stream', code: 'PROTOCOL_ERROR', about: 'A stream depends on itself.' },
  // settings
  'settings-ack-with-payload': {
    scope: 'connection',
    code: 'FRAME_SIZE_ERROR',
    about: 'An acknowledgement of SETTINGS has a payload.',
  },
  'unexpected-settings-ack': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'An acknowledgement of SETTINGS that were never sent.',
  },
  'invalid-enable-push': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'SETTINGS_ENABLE_PUSH is not 0 or 1, or a server sets 1.',
  },
  'invalid-initial-window': {
    scope: 'connection',
    code: 'FLOW_CONTROL_ERROR',
    about: 'SETTINGS_INITIAL_WINDOW_SIZE is above 2^31 - 1.',
  },
  'invalid-max-frame-size': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'SETTINGS_MAX_FRAME_SIZE is not between 2^14 and 2^24 - 1.',
  },
  'invalid-connect-protocol': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'SETTINGS_ENABLE_CONNECT_PROTOCOL is not 0 or 1, or goes back to 0.',
  },
  // flow control
  'zero-window-increment': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'WINDOW_UPDATE adds 0 to a stream’s window.',
  },
  'zero-connection-window-increment': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'WINDOW_UPDATE adds 0 to the connection’s window.',
  },
  'window-overflow': { scope: 'stream', code: 'FLOW_CONTROL_ERROR', about: 'A stream’s window grows above 2^31 - 1.' },
  'connection-window-overflow': {
    scope: 'connection',
    code: 'FLOW_CONTROL_ERROR',
    about: 'The connection’s window, or a stream’s by SETTINGS, grows above 2^31 - 1.',
  },
  'window-exceeded': { scope: 'stream', code: 'FLOW_CONTROL_ERROR', about: 'DATA exceeds the stream’s window.' },
  'connection-window-exceeded': {
    scope: 'connection',
    code: 'FLOW_CONTROL_ERROR',
    about: 'DATA exceeds the connection’s window.',
  },
  // GOAWAY
  'goaway-id-grows': {
    scope: 'connection',
    code: 'PROTOCOL_ERROR',
    about: 'A GOAWAY names a higher last stream than the one before.',
  },
  // HPACK
  'hpack-invalid-index': {
    scope: 'connection',
    code: 'COMPRESSION_ERROR',
    about: 'An index is 0 or beyond both tables.',
  },
  'hpack-integer-overflow': {
    scope: 'connection',
    code: 'COMPRESSION_ERROR',
    about: 'An integer is larger than anything it could count.',
  },
  'hpack-truncated': { scope: 'connection', code: 'COMPRESSION_ERROR', about: 'The field block ends within a field.' },
  'hpack-invalid-huffman': {
    scope: 'connection',
    code: 'COMPRESSION_ERROR',
    about: 'A Huffman code holds EOS or its padding is wrong.',
  },
  'hpack-late-size-update': {
    scope: 'connection',
    code: 'COMPRESSION_ERROR',
    about: 'A table size update follows a field.',
  },
  'hpack-table-too-large': {
    scope: 'connection',
    code: 'COMPRESSION_ERROR',
    about: 'A table size update exceeds the announced maximum.',
  },
  'hpack-missing-size-update': {
    scope: 'connection',
    code: 'COMPRESSION_ERROR',
    about: 'No table size update follows the acknowledgement of a smaller table.',
  },
  // limits and abuse
  'field-block-too-large': {
    scope: 'connection',
    code: 'ENHANCE_YOUR_CALM',
    about: 'A compressed field block is larger than the limit.',
  },
  'too-many-continuations': {
    scope: 'connection',
    code: 'ENHANCE_YOUR_CALM',
    about: 'A field block has more CONTINUATION than the limit.',
  },
  'field-section-too-large': {
    scope: 'stream',
    code: 'ENHANCE_YOUR_CALM',
    about: 'The fields together are larger or more than the limit.',
  },
  'control-flood': {
    scope: 'connection',
    code: 'ENHANCE_YOUR_CALM',
    about: 'Too many frames that carry nothing: PING, SETTINGS, PRIORITY, empty or unknown ones, tiny windows.',
  },
  'rapid-reset': {
    scope: 'connection',
    code: 'ENHANCE_YOUR_CALM',
    about: 'Too many streams were opened only to be reset.',
  },
  // malformed messages, RFC 9113 section 8.1.1
  'invalid-field-name': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'A field name is empty or has a byte that is not of a token.',
  },
  'uppercase-field-name': { scope: 'stream', code: 'PROTOCOL_ERROR', about: 'A field name has a capital letter.' },
  'invalid-field-value': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'A field value has a control byte or whitespace around it.',
  },
  'unknown-pseudo-field': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'A pseudo-header field is not defined, or not for this message.',
  },
  'duplicate-pseudo-field': { scope: 'stream', code: 'PROTOCOL_ERROR', about: 'A pseudo-header field is repeated.' },
  'late-pseudo-field': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'A pseudo-header field follows a regular one.',
  },
  'missing-pseudo-field': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'A mandatory pseudo-header field is missing.',
  },
  'pseudo-field-in-trailers': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'Trailers have a pseudo-header field.',
  },
  'connection-specific-field': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'Connection, Keep-Alive, Upgrade or one of their kind.',
  },
  'invalid-te': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'TE is not trailers, or stands in a response or in trailers.',
  },
  'invalid-method': { scope: 'stream', code: 'PROTOCOL_ERROR', about: 'The method is not a token.' },
  'invalid-scheme': { scope: 'stream', code: 'PROTOCOL_ERROR', about: 'The scheme breaks the grammar.' },
  'invalid-path': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'The path is empty, does not begin with / or breaks the grammar.',
  },
  'invalid-authority': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'Authority or Host is not host or host:port.',
  },
  'missing-authority': { scope: 'stream', code: 'PROTOCOL_ERROR', about: 'A request has neither authority nor Host.' },
  'host-conflict': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'Host is repeated or differs from the authority.',
  },
  'invalid-connect': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'A CONNECT has scheme or path, or no authority with a port.',
  },
  'invalid-protocol': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'The protocol of an extended CONNECT is not announced or no token.',
  },
  'invalid-status': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'The status is not three digits from 100 to 599, or is 101.',
  },
  'invalid-content-length': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'Content-Length is repeated or not a decimal number.',
  },
  'content-length-mismatch': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'DATA is not as long as Content-Length says.',
  },
  'unexpected-content': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'DATA came before the head, or where none may be.',
  },
  'informational-ends-stream': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'An informational response ends the stream.',
  },
  'unfinished-trailers': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'A second field section does not end the stream.',
  },
  'forbidden-trailer': {
    scope: 'stream',
    code: 'PROTOCOL_ERROR',
    about: 'A trailer field would change framing or routing.',
  },
  'fields-in-tunnel': { scope: 'stream', code: 'PROTOCOL_ERROR', about: 'HEADERS came on a connected stream.' },
} as const

/** Stable: travels into logs and metrics. */
export type Http2Problem = keyof typeof http2Problems

/** The number that tells a problem to the peer. */
export function errorCodeOf(problem: Http2Problem): number {
  return errorCodes[http2Problems[problem].code]
}

export function endsConnection(problem: Http2Problem): boolean {
  return http2Problems[problem].scope === 'connection'
}
