import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { isUntouched } from './untouched.ts'

async function pair(t: TestContext): Promise<{ readonly near: Socket; readonly far: Socket; readonly fd: number }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const far = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [near] = (await once(server, 'connection')) as [Socket]
  t.after(() => {
    for (const each of [near, far]) each.destroy()
    server.close()
  })
  const { _handle: handle } = near as unknown as { readonly _handle: { readonly fd: number } }
  return { near, far, fd: handle.fd }
}

test('isUntouched() holds until a byte is read or written, also when the other side has ended', async t => {
  const { near, far, fd } = await pair(t)
  assert.equal(isUntouched(fd), true)
  far.end('two')
  await t.waitFor(() => assert.equal(isUntouched(fd), true))
  await once(far, 'finish')
  assert.equal(isUntouched(fd), true)
  near.resume()
  await once(near, 'end')
  assert.equal(isUntouched(fd), false)
})

test('isUntouched() sees one byte that was read, and one that was written', async t => {
  const first = await pair(t)
  first.far.write('a')
  first.near.resume()
  await once(first.near, 'data')
  assert.equal(isUntouched(first.fd), false)
  first.far.end()
  await once(first.near, 'end')
  assert.equal(isUntouched(first.fd), false)
  const second = await pair(t)
  second.near.write('a')
  await once(second.far.resume(), 'data')
  assert.equal(isUntouched(second.fd), false)
})
