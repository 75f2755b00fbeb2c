import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { complete, invalid, methodCodes, methodNames, needMore, targetForms } from './codes.ts'
import { fieldIds, fieldNames, identifyField } from './field-ids.ts'
import { HeadParser } from './head-parser.ts'
import { defaultHeadLimits, type HeadLimits } from './limits.ts'

function parse(input: string, limits?: Partial<HeadLimits>): HeadParser {
  const parser = new HeadParser('request', { ...defaultHeadLimits, ...limits })
  const bytes = Buffer.from(input, 'latin1')
  parser.parse(bytes, 0, bytes.length)
  return parser
}

function parseGet(fields: string, limits?: Partial<HeadLimits>): HeadParser {
  return parse(`GET / HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n`, limits)
}

suite('identifyField()', () => {
  test('finds every known name in any case', () => {
    assert.ok(fieldNames.length <= 64)
    for (const [id, name] of fieldNames.entries()) {
      if (id === 0) continue
      for (const spelling of [name, name.toUpperCase()]) {
        assert.equal(identifyField(Buffer.from(`__${spelling}__`), 2, 2 + spelling.length), id, spelling)
      }
    }
  })
  test('finds no name that differs in one byte or in length', () => {
    for (const name of fieldNames.slice(1)) {
      for (let index = 0; index < name.length; index++) {
        const other = `${name.slice(0, index)}_${name.slice(index + 1)}`
        assert.equal(identifyField(Buffer.from(other), 0, other.length), 0, other)
      }
      assert.ok(!fieldNames.includes(`${name}s`))
      assert.equal(identifyField(Buffer.from(`${name}s`), 0, name.length + 1), 0)
    }
  })
})

suite('HeadParser methods', () => {
  for (const [name, code] of Object.entries(methodCodes)) {
    test(`${name} has the code ${code}`, () => {
      const target = name === 'CONNECT' ? 'a.example:80' : '/'
      const parser = parse(`${name} ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`)
      assert.equal(parser.method, code)
      assert.equal(methodNames[code], name)
      const other = parse(`${name.toLowerCase()} / HTTP/1.1\r\nHost: a.example\r\n\r\n`)
      assert.equal(other.problem, undefined)
      assert.equal(other.method, 0)
    })
  }
})

suite('HeadParser targets', () => {
  const cases: readonly (readonly [
    line: string,
    form: number,
    path: string,
    query: string | undefined,
    authority: string,
  ])[] = [
    ['GET / HTTP/1.1', targetForms.origin, '/', undefined, ''],
    ['GET /a/b?c=d HTTP/1.1', targetForms.origin, '/a/b', 'c=d', ''],
    ['GET /a? HTTP/1.1', targetForms.origin, '/a', '', ''],
    ['GET /a?b?/c HTTP/1.1', targetForms.origin, '/a', 'b?/c', ''],
    ['GET http://a.example HTTP/1.1', targetForms.absolute, '', undefined, 'a.example'],
    ['GET http://a.example?b HTTP/1.1', targetForms.absolute, '', 'b', 'a.example'],
    ['GET http://a.example:80/b?c HTTP/1.1', targetForms.absolute, '/b', 'c', 'a.example:80'],
    ['GET https://A.example/ HTTP/1.1', targetForms.absolute, '/', undefined, 'A.example'],
    ['OPTIONS * HTTP/1.1', targetForms.asterisk, '', undefined, ''],
    ['CONNECT a.example:1 HTTP/1.1', targetForms.authority, '', undefined, 'a.example:1'],
  ]
  for (const [line, form, path, query, authority] of cases) {
    test(`${line} is split`, () => {
      const parser = parse(`${line}\r\nHost: a.example\r\n\r\n`)
      assert.equal(parser.problem, undefined)
      assert.equal(parser.targetForm, form)
      assert.equal(parser.text(parser.targetStart, parser.targetEnd), line.split(' ')[1])
      assert.equal(parser.text(parser.pathStart, parser.pathEnd), path)
      assert.equal(parser.queryStart === -1 ? undefined : parser.text(parser.queryStart, parser.targetEnd), query)
      assert.equal(parser.text(parser.authorityStart, parser.authorityEnd), authority)
    })
  }
})

suite('HeadParser fields', () => {
  test('names and values are given without the whitespace around values', () => {
    const parser = parseGet('X-A:b\r\nx-B: \t c d \t\r\nX-C:\r\nX-D:  \r\n')
    const fields = Array.from({ length: parser.fieldCount }, (_, index) => [parser.name(index), parser.value(index)])
    assert.deepEqual(fields, [
      ['Host', 'a.example'],
      ['X-A', 'b'],
      ['x-B', 'c d'],
      ['X-C', ''],
      ['X-D', ''],
    ])
  })
  test('find() and findName() give the first field of a name', () => {
    const parser = parseGet('X-A: 1\r\nCookie: a\r\nCOOKIE: b\r\nx-a: 2\r\nRetry-After: 3\r\n')
    assert.equal(parser.find(fieldIds.cookie), 2)
    assert.equal(parser.isRepeated(fieldIds.cookie), true)
    assert.equal(parser.isRepeated(fieldIds.host), false)
    assert.equal(parser.find(fieldIds.retryAfter), 5)
    assert.equal(parser.find(fieldIds.te), -1)
    assert.equal(parser.find(fieldIds.etag), -1)
    assert.equal(parser.findName('x-a'), 1)
    assert.equal(parser.findName('x-a', 2), 4)
    assert.equal(parser.findName('cookie'), 2)
    assert.equal(parser.findName('x-aa'), -1)
    assert.equal(parser.nameEquals(1, 'x-a'), true)
    assert.equal(parser.nameEquals(1, 'x-b'), false)
    assert.equal(parser.valueEquals(0, 'a.example'), true)
    assert.equal(parser.valueEquals(0, 'a.exampl'), false)
  })
  test('signs are not taken for letters in names', () => {
    const parser = parseGet('X^A: 1\r\n')
    assert.equal(parser.findName('x~a'), -1)
    assert.equal(parser.findName('x^a'), 1)
  })
  test('more fields than the first arrays hold are all kept', () => {
    const parser = parseGet(Array.from({ length: 127 }, (_, index) => `X-${index}: ${index}\r\n`).join(''))
    assert.equal(parser.problem, undefined)
    assert.equal(parser.fieldCount, 128)
    for (let index = 1; index < 128; index++) assert.equal(parser.value(index), String(index - 1))
    assert.equal(parser.find(fieldIds.host), 0)
  })
})

suite('HeadParser drop', () => {
  const cases: readonly (readonly [fields: string, dropped: readonly string[]])[] = [
    ['X-A: b\r\n', []],
    ['Connection: close\r\nX-A: b\r\n', ['Connection']],
    [
      'Keep-Alive: x\r\nProxy-Connection: x\r\nTE: trailers\r\nUpgrade: x\r\n',
      ['Keep-Alive', 'Proxy-Connection', 'TE', 'Upgrade'],
    ],
    ['Transfer-Encoding: chunked\r\nTrailer: X-A\r\n', []],
    ['Proxy-Authorization: x\r\n', []],
    [
      'Connection: proxy-authorization, trailer\r\nTrailer: x\r\nProxy-Authorization: x\r\n',
      ['Connection', 'Trailer', 'Proxy-Authorization'],
    ],
    ['X-A: 1\r\nConnection: x-a,X-B\r\nx-b: 2\r\nX-A: 3\r\nX-AB: 4\r\n', ['X-A', 'Connection', 'x-b', 'X-A']],
    ['Connection: x-a\r\nConnection: x-b\r\nX-A: 1\r\nX-B: 2\r\n', ['Connection', 'Connection', 'X-A', 'X-B']],
    [
      'Connection: authorization, cookie, x-forwarded-for\r\nAuthorization: 1\r\nCookie: 2\r\nX-Forwarded-For: 3\r\n',
      ['Connection'],
    ],
  ]
  for (const [fields, dropped] of cases) {
    test(`${JSON.stringify(fields)} drops ${dropped.join(', ') || 'nothing'}`, () => {
      const parser = parseGet(fields)
      assert.equal(parser.problem, undefined)
      const names = Array.from({ length: parser.fieldCount }, (_, index) => parser.name(index))
      assert.deepEqual(
        names.filter((_, index) => parser.drop[index] === 1),
        dropped,
      )
    })
  }
})

suite('HeadParser upgrade and expectation', () => {
  const upgrades: readonly (readonly [fields: string, upgrade: boolean])[] = [
    ['Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n', true],
    ['Upgrade: websocket\r\n', false],
    ['Connection: upgrade\r\n', false],
    ['Connection: close\r\nUpgrade: websocket\r\n', false],
    ['Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n', false],
    ['Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n', false],
    ['Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n', false],
    ['Connection: Upgrade\r\nUpgrade: h2c-like\r\n', true],
  ]
  for (const [fields, upgrade] of upgrades) {
    test(`${JSON.stringify(fields)} ${upgrade ? 'asks' : 'does not ask'} for an upgrade`, () => {
      assert.equal(parseGet(fields).problem, undefined)
      assert.equal(parseGet(fields).upgrade, upgrade)
    })
  }
  test('HTTP/1.0 cannot upgrade or expect', () => {
    const parser = parse(
      'POST / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n',
    )
    assert.equal(parser.problem, undefined)
    assert.equal(parser.upgrade, false)
    assert.equal(parser.expectContinue, false)
  })
  test('100-continue counts only before content', () => {
    assert.equal(parseGet('Expect: 100-continue\r\n').expectContinue, false)
    assert.equal(parseGet('Expect: 100-continue\r\nContent-Length: 1\r\n').expectContinue, true)
    assert.equal(parseGet('Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n').expectContinue, true)
  })
})

suite('HeadParser limits', () => {
  const head = 'GET /abc HTTP/1.1\r\nHost: a.example\r\nX-A: b\r\n\r\n'
  const cases: readonly (readonly [limit: keyof HeadLimits, least: number, problem: string])[] = [
    ['headBytes', head.length, 'head-too-large'],
    ['targetBytes', '/abc'.length, 'target-too-long'],
    ['fieldCount', 2, 'too-many-fields'],
    ['fieldBytes', 'Host: a.example'.length, 'field-too-large'],
  ]
  for (const [limit, least, problem] of cases) {
    test(`${limit} allows just so much`, () => {
      assert.equal(parse(head, { [limit]: least }).problem, undefined)
      assert.equal(parse(head, { [limit]: least - 1 }).problem, problem)
    })
    test(`${limit} is noticed alike byte by byte`, () => {
      const bytes = Buffer.from(head)
      const whole = parse(head, { [limit]: least - 1 })
      const parser = new HeadParser('request', { ...defaultHeadLimits, [limit]: least - 1 })
      let end = 1
      while (end < bytes.length && parser.parse(bytes, 0, end) === needMore) end++
      assert.equal(parser.problem, whole.problem)
      assert.equal(parser.problemAt, whole.problemAt)
    })
  }
})

suite('HeadParser reuse', () => {
  test('a verdict stands until reset(), and then nothing of it is left', () => {
    const parser = new HeadParser('request', defaultHeadLimits)
    const fresh = new HeadParser('request', defaultHeadLimits)
    const bad = Buffer.from('GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: x\r\n\r\n')
    const good = Buffer.from(
      'POST http://a.example/a?b HTTP/1.0\r\nHost: a.example\r\nConnection: x-a, upgrade\r\nX-A: 1\r\nContent-Length: 3\r\n\r\n',
    )
    const small = Buffer.from('GET / HTTP/1.1\r\nHost: b\r\nTE: x\r\nCookie: c\r\nX-A: y\r\n\r\n')
    assert.equal(parser.parse(bad, 0, bad.length), invalid)
    assert.equal(parser.parse(good, 0, good.length), invalid)
    parser.reset()
    assert.equal(parser.parse(good, 0, good.length), complete)
    assert.equal(parser.parse(bad, 0, bad.length), complete)
    parser.reset()
    parser.parse(small, 0, small.length)
    fresh.parse(small, 0, small.length)
    assert.deepEqual(visible(parser), visible(fresh))
  })
  test('pipelined heads are read one after the other', () => {
    const bytes = Buffer.from('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\nGET')
    const parser = new HeadParser('request', defaultHeadLimits)
    assert.equal(parser.parse(bytes, 0, bytes.length), complete)
    const first = parser.length
    parser.reset()
    assert.equal(parser.parse(bytes, first, bytes.length), complete)
    assert.equal(parser.text(parser.pathStart, parser.pathEnd), '/2')
    const second = parser.length
    parser.reset()
    assert.equal(parser.parse(bytes, first + second, bytes.length), needMore)
  })
})

function visible(parser: HeadParser): unknown {
  const {
    fields,
    fieldIds: ids,
    drop,
    fieldCount,
    ...rest
  } = Object.fromEntries(Object.entries(parser)) as unknown as HeadParser
  return {
    ...rest,
    fieldCount,
    fields: [...fields.subarray(0, fieldCount * 4)],
    ids: [...ids.subarray(0, fieldCount)],
    drop: [...drop.subarray(0, fieldCount)],
  }
}
