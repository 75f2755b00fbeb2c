import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createEntry, defaultChunkLimits, EntryCache, HeaderList } from '../../codec/index.ts'
import { bodyChanges } from '../upstream/outgoing-request.ts'
import { BodyChange } from './body-change.ts'

function changeOf(change: number): { readonly body: BodyChange; readonly text: () => string } {
  let text = ''
  const sink = {
    onChangedBody: (bytes: Buffer, start: number, end: number) => (text += bytes.toString('latin1', start, end)),
  }
  const body = new BodyChange(defaultChunkLimits, new EntryCache(), sink)
  body.start(change)
  return { body, text: () => text }
}

function fieldsOf(list: HeaderList | undefined): string[] {
  return list === undefined ? [] : list.entries.slice(0, list.length).map(({ name, value }) => `${name}: ${value}`)
}

suite('BodyChange', () => {
  const chunked = Buffer.from(
    '5;name=value\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Sum: 42 \r\nX-Empty:\r\ngrpc-status: 0\r\n\r\n',
    'latin1',
  )

  test('takes the framing off a chunked body and reads its trailers, wherever it is split', () => {
    for (let split = 0; split <= chunked.length; split++) {
      const { body, text } = changeOf(bodyChanges.decode)
      body.take(chunked, 0, split)
      body.take(chunked, split, chunked.length)
      body.end(undefined)
      assert.equal(text(), 'hello world')
      assert.deepEqual(fieldsOf(body.trailers), ['x-sum: 42', 'x-empty: ', 'grpc-status: 0'])
    }
  })

  test('starts anew: trailers of the last body are not those of the next', () => {
    const { body } = changeOf(bodyChanges.decode)
    body.take(chunked, 0, chunked.length)
    body.end(undefined)
    body.start(bodyChanges.decode)
    body.take(Buffer.from('0\r\n\r\n'), 0, 5)
    body.end(undefined)
    assert.equal(body.trailers, undefined)
  })

  test('puts chunk framing around content, and trailers behind it', () => {
    const { body, text } = changeOf(bodyChanges.encode)
    const content = Buffer.from(`-${'x'.repeat(20)}`)
    body.take(content, 1, 21)
    // An empty chunk would end the body.
    body.take(content, 3, 3)
    const trailers = new HeaderList()
    trailers.add(createEntry('x-sum', '42'))
    body.end(trailers)
    assert.equal(text(), `14\r\n${'x'.repeat(20)}\r\n0\r\nx-sum: 42\r\n\r\n`)
  })
})
