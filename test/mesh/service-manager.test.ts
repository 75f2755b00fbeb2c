import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { probeNative } from '../../src/kernel/index.ts'
import { Python } from '../datapath/python.ts'
import { TestMesh } from './agent-process.ts'
import { service } from './resources.ts'

const native = probeNative()
const skip = native.isAvailable ? false : native.reason

/** What systemd listens with, and the next message that came there. */
async function manage(t: TestContext, path: string): Promise<() => Promise<string>> {
  const python = new Python()
  t.after(() => python.end())
  await python.do('s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)')
  const address = path.startsWith('@') ? `"\\0" + ${JSON.stringify(path.slice(1))}` : JSON.stringify(path)
  assert.equal(await python.do(`s.bind(${address})`), 'None')
  return () => python.do('s.recv(999).decode()')
}

/** `printenv` of a program that the agent has started: what the manager says to its service is not said to that. */
const program = `
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: db-0, namespace: shop}
spec:
  service: db
  port: 1
  process: {command: [sh, -c, 'env; exec sleep 1000']}
`

for (const kind of ['a file', 'the abstract namespace'] as const) {
  test(`the manager of services is told of start, life and stop, by a socket of ${kind}`, { skip }, async t => {
    const mesh = await TestMesh.create(t)
    mesh.write('mesh.yaml', service('db', 'tcp') + program)
    const path = kind === 'a file' ? join(mesh.directory, 'notify') : `@heddle-test-${process.pid}`
    const next = await manage(t, path)
    const agent = await mesh.up({ env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '200000' } })
    const messages: string[] = []
    const until = async (text: string): Promise<void> => {
      do messages.push(await next())
      while (messages.at(-1) !== text)
    }
    await until('READY=1\nSTATUS=tier: user space')
    await until('WATCHDOG=1')
    await until('WATCHDOG=1')
    const logs = await mesh.run('logs')
    assert.match(logs.stdout, /HEDDLE_|PATH=/)
    assert.doesNotMatch(logs.stdout, /NOTIFY_SOCKET|WATCHDOG_/)
    const ended = once(agent, 'exit')
    agent.kill('SIGTERM')
    await until('STOPPING=1\nSTATUS=requests under way are finished')
    await ended
    assert.equal(messages.filter(each => each.startsWith('READY')).length, 1)
  })
}

test(
  'a watchdog of another process is not answered, and a manager that is gone is told of and does no harm',
  { skip },
  async t => {
    const mesh = await TestMesh.create(t)
    mesh.write('mesh.yaml', service('db', 'tcp'))
    const path = join(mesh.directory, 'notify')
    const next = await manage(t, path)
    const agent = await mesh.up({ env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '2000', WATCHDOG_PID: '1' } })
    assert.equal(await next(), 'READY=1\nSTATUS=tier: user space')
    const ended = once(agent, 'exit')
    agent.kill('SIGTERM')
    assert.match(await next(), /^STOPPING=1/)
    await ended
    await mesh.up({ env: { NOTIFY_SOCKET: join(mesh.directory, 'nobody') } })
    await mesh.until(() => Promise.resolve(/the service manager could not be told.*ENOENT/.test(mesh.output)))
  },
)
