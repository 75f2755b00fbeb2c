import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, closeSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { readPeerCredentials } from './peer-credentials.ts'

/** The server's end of a connection that another process has opened. */
async function acceptedFrom(t: TestContext, address: string | number): Promise<{ fd: number; clientPid: number }> {
  const server = createServer().listen(address)
  await once(server, 'listening')
  const bound = server.address()
  const target = typeof bound === 'string' ? bound : { host: '127.0.0.1', port: bound?.port }
  const script = `require('node:net').connect(${JSON.stringify(target)})`
  const client = spawn(process.execPath, ['-e', script])
  const [socket] = (await once(server, 'connection')) as [Socket & { readonly _handle: { readonly fd: number } }]
  t.after(() => {
    client.kill('SIGKILL')
    socket.destroy()
    server.close()
  })
  return { fd: socket._handle.fd, clientPid: client.pid ?? 0 }
}

test('readPeerCredentials() tells process and user of the other side', async t => {
  const directory = mkdtempSync(path.join(tmpdir(), 'heddle-peer-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const { fd, clientPid } = await acceptedFrom(t, path.join(directory, 'a.sock'))
  assert.deepEqual(readPeerCredentials(fd), { pid: clientPid, uid: process.getuid?.() })
})

test('readPeerCredentials() tells nothing of a TCP connection, a file, or a descriptor that is closed', async t => {
  const { fd } = await acceptedFrom(t, 0)
  assert.equal(readPeerCredentials(fd), undefined)
  const file = openSync('/dev/null', 'r')
  assert.equal(readPeerCredentials(file), undefined)
  closeSync(file)
  assert.equal(readPeerCredentials(-1), undefined)
})

test('readPeerCredentials() tells nothing when Node runs without FFI', () => {
  const url = new URL('peer-credentials.ts', import.meta.url).href
  const script = `console.log((await import('${url}')).readPeerCredentials(0))`
  const args = ['--no-experimental-ffi', '--input-type=module', '-e', script]
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env: {} })
  assert.equal(stdout, 'undefined\n')
})
