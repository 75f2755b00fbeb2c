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

  it('differ, on one thread and between threads', () => {
    const [here, there] = [new RequestIds(), new RequestIds()]
    const seen = new Set<string>()
    for (let round = 0; round < 1000; round++) seen.add(here.next()).add(there.next())
    assert.equal(seen.size, 2000)
  })
})
