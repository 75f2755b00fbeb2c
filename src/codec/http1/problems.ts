/**
 * Everything that can be wrong with an HTTP/1.1 message, and the status a
 * server answers (a proxy answers 502 when it was the upstream's message).
 * Every one of them ends the connection: after it nobody knows where the next
 * message begins.
 */
export const http1Problems = {
  // start line
  'leading-empty-line': { status: 400, about: 'An empty line stands before the start line.' },
  'invalid-method': { status: 400, about: 'The method is empty or not a token.' },
  'method-too-long': { status: 501, about: 'The method is longer than any that exists.' },
  'empty-target': { status: 400, about: 'The request target is empty, or two spaces precede it.' },
  'invalid-target': { status: 400, about: 'The target has a byte that may not stand there, or is of no known form.' },
  'fragment-in-target': { status: 400, about: 'The target has a fragment.' },
  'non-ascii-target': { status: 400, about: 'The target has a byte above 0x7F that is not percent-encoded.' },
  'invalid-percent-encoding': { status: 400, about: 'The path has % without two hexadecimal digits, or %00.' },
  'target-too-long': { status: 414, about: 'The request target is longer than the limit.' },
  'asterisk-without-options': { status: 400, about: 'The target * belongs to OPTIONS alone.' },
  'invalid-authority': { status: 400, about: 'The authority in the target is not host or host:port.' },
  'userinfo-in-authority': { status: 400, about: 'The authority has a user name or password.' },
  'unsupported-scheme': { status: 400, about: 'The scheme of an absolute target is neither http nor https.' },
  'missing-version': { status: 400, about: 'The request line ends without a version, as in HTTP/0.9.' },
  'invalid-version': {
    status: 400,
    about: 'The start line has something other than HTTP/d.d where the version belongs.',
  },
  'unsupported-version': { status: 505, about: 'The version is neither HTTP/1.0 nor HTTP/1.1.' },
  'invalid-status': { status: 400, about: 'The status is not three digits from 100 to 599.' },
  'invalid-reason': { status: 400, about: 'The reason phrase has a control byte.' },
  // lines and fields
  'bare-cr': { status: 400, about: 'A CR is not followed by LF.' },
  'bare-lf': { status: 400, about: 'A line ends in LF without CR.' },
  'obs-fold': { status: 400, about: 'A field value goes on in the next line.' },
  'whitespace-after-start-line': {
    status: 400,
    about: 'Whitespace stands between the start line and the first field.',
  },
  'empty-field-name': { status: 400, about: 'A field line begins with a colon.' },
  'invalid-field-name': { status: 400, about: 'A field name has a byte that is not of a token.' },
  'whitespace-before-colon': { status: 400, about: 'Whitespace stands in or after a field name.' },
  'missing-colon': { status: 400, about: 'A field line has no colon.' },
  'invalid-field-value': { status: 400, about: 'A field value has NUL or another control byte.' },
  'head-too-large': { status: 431, about: 'The head is larger than the limit.' },
  'field-too-large': { status: 431, about: 'One field line is longer than the limit.' },
  'too-many-fields': { status: 431, about: 'The head has more fields than the limit.' },
  // meaning of fields
  'missing-host': { status: 400, about: 'An HTTP/1.1 request has no Host.' },
  'duplicate-host': { status: 400, about: 'There is more than one Host.' },
  'invalid-host': { status: 400, about: 'Host is not host or host:port.' },
  'host-conflict': { status: 400, about: 'Host differs from the authority of the target.' },
  'duplicate-content-length': { status: 400, about: 'There is more than one Content-Length, even if they agree.' },
  'invalid-content-length': { status: 400, about: 'Content-Length is not a plain decimal number.' },
  'content-length-overflow': { status: 400, about: 'Content-Length is larger than 2^53 - 1.' },
  'content-length-with-transfer-encoding': {
    status: 400,
    about: 'Content-Length and Transfer-Encoding are both present.',
  },
  'duplicate-transfer-encoding': { status: 400, about: 'There is more than one Transfer-Encoding.' },
  'invalid-transfer-encoding': { status: 400, about: 'chunked is not the one and last transfer coding.' },
  'unsupported-transfer-coding': { status: 501, about: 'A transfer coding other than chunked is applied before it.' },
  'transfer-encoding-in-http10': { status: 400, about: 'An HTTP/1.0 message has Transfer-Encoding.' },
  'unexpected-content': { status: 400, about: 'A message that cannot have content announces some.' },
  'invalid-connection': { status: 400, about: 'Connection is not a list of tokens, or a very long one.' },
  'forbidden-connection-option': { status: 400, about: 'Connection names Host, Content-Length or Transfer-Encoding.' },
  'unsupported-expectation': { status: 417, about: 'Expect asks for something other than 100-continue.' },
  // chunked bodies
  'invalid-chunk-size': { status: 400, about: 'A chunk size is empty or not hexadecimal.' },
  'chunk-size-overflow': { status: 400, about: 'A chunk size has more than 16 digits or is larger than 2^53 - 1.' },
  'invalid-chunk-extension': { status: 400, about: 'A chunk extension breaks the grammar or has whitespace.' },
  'chunk-extension-too-large': { status: 400, about: 'Chunk extensions are larger than the limit.' },
  'missing-chunk-end': { status: 400, about: 'Chunk data is not followed by CRLF.' },
  'trailers-too-large': { status: 431, about: 'The trailer section has too many bytes or fields.' },
  'forbidden-trailer': { status: 400, about: 'A trailer field would change framing, routing or access.' },
} as const

/** Stable: travels into logs and metrics. */
export type Http1Problem = keyof typeof http1Problems
