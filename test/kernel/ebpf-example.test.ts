import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { root } from '../../scripts/files.ts'
import { kernelSkip, makeCgroup } from '../../src/kernel/ebpf/testing.ts'

test('the example of the guide counts the connections of a cgroup', { skip: kernelSkip() }, async t => {
  const cgroup = makeCgroup(t)
  const server = createServer(socket => socket.end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const args = ['--experimental-ffi', '--disable-warning=ExperimentalWarning', '--conditions=heddle-source']
  const example = spawn(process.execPath, [...args, join(root, 'examples/ebpf/count-connects.ts'), cgroup], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => example.kill('SIGKILL'))
  const lines = createInterface({ input: example.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => String((await lines.next()).value)
  assert.match(await next(), /^counting the connections of /)
  // The process that connects is in the cgroup; this one, which is not, connects as well and is not counted.
  const script = `exec 3<>/dev/tcp/127.0.0.1/${port}; exec 3<>/dev/tcp/127.0.0.1/${port}`
  const client = spawn('bash', ['-c', `echo $$ > "$0/cgroup.procs"; ${script}`, cgroup])
  assert.deepEqual(await once(client, 'exit'), [0, null])
  await fetch(`http://127.0.0.1:${port}`).catch(() => undefined)
  assert.equal(await next(), `process ${client.pid} to 127.0.0.1:${port}`)
  assert.equal(await next(), `process ${client.pid} to 127.0.0.1:${port}`)
  const ended = once(example, 'exit')
  example.kill('SIGINT')
  assert.equal(await next(), `2 to 127.0.0.1:${port}`)
  assert.deepEqual(await ended, [0, null])
})
