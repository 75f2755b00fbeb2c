import { connectionError, fine } from './expectations.ts'
import { block, get, hex, rawHeaders } from './frames-for-tests.ts'
import type { Http2Problem } from './problems.ts'
import type { ConformanceCase } from './run-case.ts'

type Broken = readonly [name: string, fieldBlock: string, problem: Http2Problem]

const broken: readonly Broken[] = [
  ['2.3.3 an index beyond both tables', 'be', 'hpack-invalid-index'],
  ['2.3.3 the name of a literal beyond both tables', '7e 01 61', 'hpack-invalid-index'],
  ['2.3.3 the name of a literal without indexing beyond both tables', '0f 30 01 61', 'hpack-invalid-index'],
  ['4.2 a table size update after a field', '82 20', 'hpack-late-size-update'],
  ['5.1 an integer above 2^28', 'ff ff ff ff ff 7f', 'hpack-integer-overflow'],
  ['5.1 an integer of endless zeros', 'ff 80 80 80 80 80 80 80 80 80 80 00', 'hpack-integer-overflow'],
  ['5.1 an integer that is cut off', 'ff 80', 'hpack-truncated'],
  ['5.2 a string longer than the block', '40 05 61', 'hpack-truncated'],
  ['5.2 a value that is missing', '40 01 61', 'hpack-truncated'],
  ['5.2 a length that overflows', '40 7f ff ff ff ff 7f', 'hpack-integer-overflow'],
  ['5.2 Huffman padding of more than seven bits', '40 01 61 82 1f ff', 'hpack-invalid-huffman'],
  ['5.2 Huffman padding of eight bits alone', '40 01 61 81 ff', 'hpack-invalid-huffman'],
  ['5.2 Huffman padding of zeros', '40 01 61 81 18', 'hpack-invalid-huffman'],
  ['5.2 a Huffman string with EOS', '40 01 61 84 ff ff ff ff', 'hpack-invalid-huffman'],
  ['5.2 EOS amid a Huffman string', '40 01 61 85 ff ff ff fc 1f', 'hpack-invalid-huffman'],
  ['6.1 index 0', '80', 'hpack-invalid-index'],
  ['6.3 a table size update above SETTINGS_HEADER_TABLE_SIZE', '3f e2 1f', 'hpack-table-too-large'],
  ['6.3 a second table size update above SETTINGS_HEADER_TABLE_SIZE', '20 3f e2 1f', 'hpack-table-too-large'],
]

function request(fieldBlock: string): Buffer {
  return Buffer.concat([block(get), hex(fieldBlock)])
}

/** What RFC 7541 demands of field blocks. */
export const conformanceOfHpack: readonly ConformanceCase[] = [
  ...broken.map(([name, fieldBlock, problem]): ConformanceCase => ({
    name: `RFC 7541 ${name}: connection error COMPRESSION_ERROR`,
    steps: [rawHeaders(1, hex(fieldBlock), { endStream: true })],
    expected: connectionError('COMPRESSION_ERROR', problem),
  })),
  {
    name: 'RFC 7541 4.2 a table size update before the first field: fine',
    steps: [rawHeaders(1, Buffer.concat([hex('20 3f e1 1f'), block(get)]), { endStream: true })],
    expected: fine,
  },
  {
    name: 'RFC 7541 4.2 a block of a table size update alone: no fields',
    steps: [rawHeaders(1, request('')), rawHeaders(1, hex('20'), { endStream: true })],
    expected: {
      kind: 'fine',
      events: ['head 1 :method=GET :scheme=http :path=/ :authority=a.example', 'trailers 1 '],
    },
  },
  {
    name: 'RFC 7541 4.3 a smaller table forgets: connection error COMPRESSION_ERROR',
    steps: [
      rawHeaders(1, request('40 01 61 01 62'), { endStream: true }),
      rawHeaders(3, Buffer.concat([hex('20 3f e1 1f'), block(get), hex('be')]), { endStream: true }),
    ],
    expected: connectionError('COMPRESSION_ERROR', 'hpack-invalid-index'),
  },
  {
    name: 'RFC 7541 4.4 an entry larger than the table empties it: connection error COMPRESSION_ERROR',
    steps: [
      rawHeaders(1, Buffer.concat([hex('3f 21'), block(get), hex('40 01 61 01 62')]), { endStream: true }),
      rawHeaders(3, Buffer.concat([block(get), hex('40 01 61 1f'), Buffer.alloc(31, 'x'), hex('be')]), {
        endStream: true,
      }),
      rawHeaders(5, Buffer.concat([block(get), hex('40 01 61 28'), Buffer.alloc(40, 'x'), hex('be')]), {
        endStream: true,
      }),
    ],
    expected: connectionError('COMPRESSION_ERROR', 'hpack-invalid-index'),
  },
  {
    name: 'RFC 7541 4.4 the name of an entry may be that of the entry it pushes out: fine',
    steps: [
      rawHeaders(1, Buffer.concat([hex('3f 21'), block(get), hex('40 03 61 62 63 01 62')]), { endStream: true }),
      rawHeaders(3, Buffer.concat([block(get), hex('7e 18'), Buffer.alloc(24, 'x')]), { endStream: true }),
    ],
    expected: {
      kind: 'fine',
      events: [
        'head 1 :method=GET :scheme=http :path=/ :authority=a.example abc=b end',
        `head 3 :method=GET :scheme=http :path=/ :authority=a.example abc=${'x'.repeat(24)} end`,
      ],
    },
  },
  {
    name: 'RFC 7541 5.2 an empty Huffman string: fine',
    steps: [rawHeaders(1, request('40 01 61 80'), { endStream: true })],
    expected: fine,
  },
  {
    name: 'RFC 7541 2.3.2 duplicate entries: fine',
    steps: [rawHeaders(1, request('40 01 61 01 62 40 01 61 01 62 be bf'), { endStream: true })],
    expected: {
      kind: 'fine',
      events: ['head 1 :method=GET :scheme=http :path=/ :authority=a.example a=b a=b a=b a=b end'],
    },
  },
]
