/** Examples of RFC 7541 appendix C: blocks of one connection, one after the other. */
export interface HpackVector {
  readonly name: string
  readonly tableBytes: number
  readonly huffman: boolean
  readonly blocks: readonly {
    readonly bytes: string
    readonly fields: readonly string[]
    /** Size of the dynamic table afterwards. */
    readonly tableSize: number
  }[]
}

const requestFields: readonly (readonly string[])[] = [
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
  [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
]

const responseFields: readonly (readonly string[])[] = [
  [
    ':status: 302',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:21 GMT',
    'location: https://www.example.com',
  ],
  [
    ':status: 307',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:21 GMT',
    'location: https://www.example.com',
  ],
  [
    ':status: 200',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:22 GMT',
    'location: https://www.example.com',
    'content-encoding: gzip',
    'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
]

function blocks(
  fields: readonly (readonly string[])[],
  sizes: readonly number[],
  bytes: readonly string[],
): HpackVector['blocks'] {
  return bytes.map((each, index) => ({ bytes: each, fields: fields[index] ?? [], tableSize: sizes[index] ?? 0 }))
}

export const hpackVectors: readonly HpackVector[] = [
  {
    name: 'C.2.1 literal with indexing',
    tableBytes: 4_096,
    huffman: false,
    blocks: blocks([['custom-key: custom-header']], [55], ['400a637573746f6d2d6b65790d637573746f6d2d686561646572']),
  },
  {
    name: 'C.2.2 literal without indexing',
    tableBytes: 4_096,
    huffman: false,
    blocks: blocks([[':path: /sample/path']], [0], ['040c2f73616d706c652f70617468']),
  },
  {
    name: 'C.2.3 literal never indexed',
    tableBytes: 4_096,
    huffman: false,
    blocks: blocks([['password: secret']], [0], ['100870617373776f726406736563726574']),
  },
  { name: 'C.2.4 indexed', tableBytes: 4_096, huffman: false, blocks: blocks([[':method: GET']], [0], ['82']) },
  {
    name: 'C.3 requests without Huffman code',
    tableBytes: 4_096,
    huffman: false,
    blocks: blocks(
      requestFields,
      [57, 110, 164],
      [
        '828684410f7777772e6578616d706c652e636f6d',
        '828684be58086e6f2d6361636865',
        '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
      ],
    ),
  },
  {
    name: 'C.4 requests with Huffman code',
    tableBytes: 4_096,
    huffman: true,
    blocks: blocks(
      requestFields,
      [57, 110, 164],
      [
        '828684418cf1e3c2e5f23a6ba0ab90f4ff',
        '828684be5886a8eb10649cbf',
        '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
      ],
    ),
  },
  {
    name: 'C.5 responses without Huffman code, with evictions',
    tableBytes: 256,
    huffman: false,
    blocks: blocks(
      responseFields,
      [222, 222, 215],
      [
        '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
        '4803333037c1c0bf',
        '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
      ],
    ),
  },
  {
    name: 'C.6 responses with Huffman code, with evictions',
    tableBytes: 256,
    huffman: true,
    blocks: blocks(
      responseFields,
      [222, 222, 215],
      [
        '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
        '4883640effc1c0bf',
        '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
      ],
    ),
  },
]
