import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NameParts } from './known-parts.ts'

test('names of a hundred routes to neighbouring endpoints are kept beside each other', () => {
  let rendered = 0
  const parts = new NameParts(({ route, endpoint }) => {
    rendered++
    return `${route} ${endpoint}`
  })
  const writeAll = (): void => {
    for (let index = 1; index <= 100; index++) {
      for (const port of [40123, 40124]) {
        const route = `default/service-${String(index).padStart(5, '0')}`
        const names = { virtualHost: '*', route, rule: '0', backend: 'default/backend', endpoint: `127.0.0.1:${port}` }
        assert.equal(Buffer.from(parts.of(names)).toString(), `${route} 127.0.0.1:${port}`)
      }
    }
  }
  writeAll()
  assert.equal(rendered, 200)
  writeAll()
  assert.ok(rendered <= 220, `${rendered - 200} of 200 were written anew`)
})
