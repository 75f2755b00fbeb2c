import { defaultChunkLimits } from './limits.ts'
import type { Http1Problem } from './problems.ts'

/** The status is 400 when it is left out. */
export type Row = readonly [name: string, input: string, problem: Http1Problem, status?: number]

const smuggled = 'GET /admin HTTP/1.1\r\nHost: a.example\r\n\r\n'

function chunked(body: string): string {
  return `POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n${body}`
}

const extensionLimit = defaultChunkLimits.extensionBytes

/** Requests whose head is valid and whose chunked body is not. */
export const malformedBodies: readonly Row[] = [
  ['an empty chunk size', chunked('\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a chunk size of letters', chunked('xyz\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a chunk size with 0x', chunked('0x5\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a positive chunk size', chunked('+5\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a negative chunk size', chunked('-5\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a chunk size with h', chunked('5h\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a chunk size with an underscore', chunked('0_5\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a chunk size with a comma', chunked('5,5\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a chunk size with NUL', chunked('5\0\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a space before the chunk size', chunked(' 5\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a tab before the chunk size', chunked('\t5\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a space after the chunk size', chunked('5 \r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a tab after the chunk size', chunked('5\t\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a space in the chunk size', chunked('0 5\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a space after the last chunk size', chunked('5\r\nhello\r\n0 \r\n\r\n'), 'invalid-chunk-size'],
  ['obs-text in the chunk size', chunked('\xb2\r\nhe\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a chunk size of 2^53', chunked('20000000000000\r\nhello'), 'chunk-size-overflow'],
  ['a chunk size of 2^64 - 1', chunked('ffffffffffffffff\r\nhello'), 'chunk-size-overflow'],
  ['a chunk size of 2^64 + 5', chunked('10000000000000005\r\nhello\r\n0\r\n\r\n'), 'chunk-size-overflow'],
  ['a chunk size of very many zeros', chunked(`${'0'.repeat(17)}5\r\nhello\r\n0\r\n\r\n`), 'chunk-size-overflow'],
  ['LF after the chunk size', chunked('5\nhello\r\n0\r\n\r\n'), 'bare-lf'],
  ['LF as chunk size', chunked('\nhello\r\n0\r\n\r\n'), 'bare-lf'],
  ['CR after the chunk size', chunked('5\rhello\r\n0\r\n\r\n'), 'bare-cr'],
  ['CR CR LF after the chunk size', chunked('5\r\r\nhello\r\n0\r\n\r\n'), 'bare-cr'],
  ['LF after the data', chunked('5\r\nhello\n0\r\n\r\n'), 'missing-chunk-end'],
  ['CR after the data', chunked('5\r\nhello\r0\r\n\r\n'), 'missing-chunk-end'],
  ['nothing after the data', chunked('5\r\nhello0\r\n\r\n'), 'missing-chunk-end'],
  ['more data than the size says', chunked('5\r\nhello!\r\n0\r\n\r\n'), 'missing-chunk-end'],
  ['less data than the size says', chunked('6\r\nhello\r\n0\r\n\r\n'), 'missing-chunk-end'],
  ['two bytes that are not CRLF', chunked('5\r\nhelloXX0\r\n\r\n'), 'missing-chunk-end'],
  ['an empty line between chunks', chunked('5\r\nhello\r\n\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['an extension without name', chunked('5;\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['two semicolons', chunked('5;;a\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['an extension with an empty value', chunked('5;a=\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['an extension with two values', chunked('5;a=b=c\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['a value without a name', chunked('5;=b\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['a space before the extension', chunked('5 ;a\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['a space in the extension', chunked('5; a\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['a space after the extension', chunked('5;a \r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['NUL in the extension', chunked('5;a=\0\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['obs-text in the name of an extension', chunked('5;\xe4\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['LF in the extension', chunked('5;a\nhello\r\n0\r\n\r\n'), 'bare-lf'],
  ['LF in a quoted extension', chunked('5;a="b\nc"\r\nhello\r\n0\r\n\r\n'), 'bare-lf'],
  ['CR in the extension', chunked('5;a\rb\r\nhello\r\n0\r\n\r\n'), 'bare-cr'],
  ['CR in a quoted extension', chunked('5;a="b\r\n"\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['CR after a backslash in an extension', chunked('5;a="b\\\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['text after a quoted extension', chunked('5;a="b"c\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['a quote in an unquoted extension', chunked('5;a=b"c"\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-extension'],
  ['a bad extension of the last chunk', chunked('0;\r\n\r\n'), 'invalid-chunk-extension'],
  [
    'an extension that is too long',
    chunked(`1;${'a'.repeat(extensionLimit)}\r\nx\r\n0\r\n\r\n`),
    'chunk-extension-too-large',
  ],
  ['an endless quoted extension', chunked(`1;a="${'b'.repeat(extensionLimit)}`), 'chunk-extension-too-large'],
  ['more extensions than data', chunked(`1;${'a'.repeat(1_000)}\r\nx\r\n`.repeat(18)), 'chunk-extension-too-large'],
  ['a smuggled request as chunk size', chunked(smuggled), 'invalid-chunk-size'],
  ['LF instead of the trailers', chunked('0\r\n\n'), 'bare-lf'],
  ['CR instead of the trailers', chunked(`0\r\n\r${smuggled}`), 'bare-cr'],
  ['a request where trailers belong', chunked(`0\r\n${smuggled}`), 'whitespace-before-colon'],
  ['a trailer without colon', chunked('0\r\nX-A\r\n\r\n'), 'missing-colon'],
  ['a trailer without name', chunked('0\r\n: b\r\n\r\n'), 'empty-field-name'],
  ['a trailer with a space before the colon', chunked('0\r\nX-A : b\r\n\r\n'), 'whitespace-before-colon'],
  ['a trailer with a bad name', chunked('0\r\nX(A: b\r\n\r\n'), 'invalid-field-name'],
  ['a folded trailer', chunked('0\r\nX-A: b\r\n c\r\n\r\n'), 'obs-fold'],
  ['a space before the first trailer', chunked('0\r\n X-A: b\r\n\r\n'), 'obs-fold'],
  ['NUL in a trailer', chunked('0\r\nX-A: \0\r\n\r\n'), 'invalid-field-value'],
  ['LF after a trailer', chunked('0\r\nX-A: b\nX-B: c\r\n\r\n'), 'bare-lf'],
  ['LF in the name of a trailer', chunked('0\r\nX\nA: b\r\n\r\n'), 'bare-lf'],
  ['CR in a trailer', chunked('0\r\nX-A: b\rc\r\n\r\n'), 'bare-cr'],
  ...[
    'Content-Length: 5',
    'transfer-encoding: chunked',
    'HOST: b.example',
    'Connection: close',
    'Authorization: x',
    'Cookie: a=b',
    'X-Forwarded-For: 10.0.0.1',
    'Content-Type: text/html',
    'Expect: 100-continue',
  ].map((trailer): Row => [
    `the trailer ${trailer}`,
    chunked(`5\r\nhello\r\n0\r\n${trailer}\r\n\r\n`),
    'forbidden-trailer',
  ]),
  [
    'too many trailers',
    chunked(`0\r\n${'X-A: b\r\n'.repeat(defaultChunkLimits.trailerCount + 1)}\r\n`),
    'trailers-too-large',
    431,
  ],
  [
    'trailers that are too large',
    chunked(`0\r\nX-A: ${'b'.repeat(defaultChunkLimits.trailerBytes)}\r\n\r\n`),
    'trailers-too-large',
    431,
  ],
]
