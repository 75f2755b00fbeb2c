import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RequestIds } from './request-id.ts'

describe('RequestIds', () => {
  it('have the form of a UUID of version 8', () => {
    const ids = new RequestIds()
    for (let round = 0; round < 20; round++) {
      assert.match(ids.next(), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    }
  })

  it('are the same as strings and as bytes', () => {
    const random = Buffer.from('0123456789abcdef0123', 'hex')
    const [strings, bytes] = [new RequestIds(random), new RequestIds(random)]
    const into = Buffer.alloc(bytes.length)
    for (let round = 0; round < 70_000; round++) {
      bytes.write(into)
      const id = strings.next()
      if (into.toString('latin1') !== id) assert.equal(into.toString('latin1'), id)
    }
    assert.equal(bytes.next(), strings.next())
  })

  it('differ, on one thread and between threads', () => {
    const [here, there] = [new RequestIds(), new RequestIds()]
    const seen = new Set<string>()
    for (let round = 0; round < 1000; round++) seen.add(here.next()).add(there.next())
    assert.equal(seen.size, 2000)
  })
})
