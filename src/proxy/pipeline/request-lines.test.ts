import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createEntry, defaultHeadLimits, EntryCache, HeaderList } from '../../codec/index.ts'
import { bodyChanges, OutgoingRequest } from '../upstream/outgoing-request.ts'
import { EditPlan } from './header-edits.ts'
import { writeRequestLines } from './request-lines.ts'
import { RequestLists } from './request-list.ts'
import { translateRequest } from './translate-request.ts'

type Field = readonly [name: string, value: string]

const start: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'shop.example:8080'],
  [':path', '/a?b'],
]

function requestOf(fields: readonly Field[], options: { hasBody: boolean; method?: number }): OutgoingRequest {
  const request = new OutgoingRequest()
  request.isHttp2 = true
  request.hasBody = options.hasBody
  request.method = options.method ?? 3
  for (const [name, value] of fields) request.list.add(createEntry(name, value))
  return request
}

function linesOf(request: OutgoingRequest): string[] {
  return request.bytes.toString('latin1', 0, request.length).split('\r\n')
}

function fieldsOf(list: HeaderList): string[] {
  return list.entries.slice(0, list.length).map(({ name, value }) => `${name}: ${value}`)
}

suite('writeRequestLines()', () => {
  const rows: readonly {
    name: string
    fields: readonly Field[]
    hasBody?: boolean
    method?: number
    lines: string[]
  }[] = [
    {
      name: 'a body without a length gets chunk framing',
      fields: [['accept', '*/*']],
      hasBody: true,
      lines: ['accept: */*', 'transfer-encoding: chunked'],
    },
    {
      name: 'a body with a length keeps it',
      fields: [['content-length', '5']],
      hasBody: true,
      lines: ['content-length: 5'],
    },
    { name: 'POST without a body says so', fields: [], lines: ['content-length: 0'] },
    { name: 'GET without a body says nothing', fields: [], method: 1, lines: [] },
    {
      name: 'cookies that came apart are joined',
      fields: [
        ['cookie', 'a=1'],
        ['x', 'y'],
        ['cookie', 'b=2'],
      ],
      method: 1,
      lines: ['x: y', 'cookie: a=1; b=2'],
    },
    { name: 'TE is left out', fields: [['te', 'trailers']], method: 1, lines: [] },
  ]
  for (const { name, fields, hasBody = false, method, lines } of rows) {
    test(name, () => {
      const request = requestOf([...start, ...fields], { hasBody, ...(method === undefined ? {} : { method }) })
      writeRequestLines(request)
      assert.deepEqual(linesOf(request), ['POST /a?b HTTP/1.1', 'host: shop.example:8080', ...lines, '', ''])
    })
  }
})

suite('translateRequest()', () => {
  const options = { lists: new RequestLists(new EntryCache()), limits: defaultHeadLimits, scheme: 'https' } as const

  test('there and back again gives the same request', () => {
    const request = requestOf([...start, ['x', 'y'], ['content-length', '5']], { hasBody: true })
    const lines = translateRequest(request, options)
    assert.equal(lines.isHttp2, false)
    assert.equal(lines.bodyChange, bodyChanges.none)
    const list = translateRequest(lines, options)
    assert.equal(list.isHttp2, true)
    const expected = ['POST', 'https', 'shop.example:8080', '/a?b'].map((value, i) => `${start[i]?.[0]}: ${value}`)
    assert.deepEqual(fieldsOf(list.list), [...expected, 'x: y', 'content-length: 5'])
  })

  test('a body changes its form exactly if it came in the other', () => {
    // By HTTP/2 without a length: an endpoint by HTTP/1.1 gets chunks, one by HTTP/2 what came.
    const content = requestOf(start, { hasBody: true })
    const chunks = translateRequest(content, options)
    assert.equal(chunks.bodyChange, bodyChanges.encode)
    chunks.bodyChange = bodyChanges.none
    // By HTTP/1.1 in chunks, as it went on to an endpoint by HTTP/1.1.
    assert.equal(translateRequest(chunks, options).bodyChange, bodyChanges.decode)
    // The same, as it went on to an endpoint by HTTP/2.
    content.bodyChange = bodyChanges.decode
    assert.equal(translateRequest(content, options).bodyChange, bodyChanges.none)
  })
})

suite('EditPlan.applyToList()', () => {
  function edited(plan: EditPlan, fields: readonly Field[]): string[] {
    const [from, to] = [new HeaderList(), new HeaderList()]
    for (const [name, value] of fields) from.add(createEntry(name, value))
    plan.applyToList(from, to)
    return fieldsOf(to)
  }

  test('removes, sets and adds as for HTTP/1.1', () => {
    const plan = new EditPlan([
      {
        remove: ['x-gone'],
        set: [{ name: 'X-Set', value: 'ours' }],
        add: [
          { name: 'X-Joined', value: 'b' },
          { name: 'Set-Cookie', value: 'c=d' },
          { name: 'X-New', value: 'n' },
        ],
      },
    ])
    const fields: Field[] = [
      [':status', '200'],
      ['x-gone', '1'],
      ['x-set', 'theirs'],
      ['x-joined', 'a'],
      ['set-cookie', 'a=b'],
    ]
    assert.deepEqual(edited(plan, fields), [
      ':status: 200',
      'set-cookie: a=b',
      'x-set: ours',
      'x-joined: a,b',
      'set-cookie: c=d',
      'x-new: n',
    ])
  })

  test('leaves out what HTTP/2 has no place for; Host is the authority', () => {
    const plan = new EditPlan([
      {
        remove: [],
        set: [
          { name: 'Connection', value: 'close' },
          { name: 'Host', value: 'inner.example' },
        ],
        add: [{ name: 'Transfer-Encoding', value: 'gzip' }],
      },
    ])
    assert.deepEqual(edited(plan, [['x', 'y']]), ['x: y'])
    assert.equal(plan.authority?.value, 'inner.example')
  })
})
