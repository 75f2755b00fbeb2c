import assert from 'node:assert/strict'
import { test } from 'node:test'
import { join } from 'node:path'
import { datapathSkip, runIn } from '../datapath/world.ts'
import { member, MemberMesh } from '../datapath/member-mesh.ts'
import { service } from '../mesh/resources.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/until.ts'
import { addressOf, begin, statusOf, untilCarried } from './carried.ts'

const skip = datapathSkip('python3')

/** Asks for SO_ZEROCOPY before and after it connects, and says what it was told and answered. */
const client = `
import socket, sys
zero_copy = 60
def ask(before, after):
  s = socket.socket(); s.settimeout(20)
  if before: s.setsockopt(socket.SOL_SOCKET, zero_copy, 1)
  s.connect((sys.argv[1], 9080))
  said = "taken"
  if after:
    try: s.setsockopt(socket.SOL_SOCKET, zero_copy, 1)
    except PermissionError: said = "refused"
    s.setsockopt(socket.SOL_SOCKET, zero_copy, 0)
  s.sendall(b"GET / HTTP/1.1\\r\\nHost: web\\r\\n\\r\\n")
  print(said, s.recv(4096).split(b"\\r\\n")[0].decode())
ask(True, False)
ask(False, True)
`

test(
  'a client with SO_ZEROCOPY goes through the proxy; on the path it is refused, and the log says so',
  { skip },
  async t => {
    await using each = await begin(t, {}, '--kernel-http', 'auto')
    await untilCarried(each)
    const host = await addressOf(each)
    const { output } = await runIn(join(each.cgroup.folder, 'shop.client'), ['python3', '-c', client, host])
    assert.equal(output, 'taken HTTP/1.1 200 OK\nrefused HTTP/1.1 200 OK')
    const { served, leftFor } = await statusOf(each)
    assert.equal(served, 1, 'the second one, which goes on in the kernel')
    assert.equal(leftFor['zero copy sender'], 1)
    await until(async () => /SO_ZEROCOPY .*a client of Service shop\/web:9080/.test(each.mesh.output))
  },
)

/** Listens with SO_ZEROCOPY, or asks for it on what it has accepted. */
const server = (port: number, isEarly: boolean): string => `
import socket, threading
def serve(s):
  if ${isEarly ? 'False' : 'True'}:
    try: s.setsockopt(socket.SOL_SOCKET, 60, 1)
    except PermissionError: pass
  while True:
    head = s.recv(65536)
    if not head: break
    s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if ${isEarly ? 'True' : 'False'}: l.setsockopt(socket.SOL_SOCKET, 60, 1)
l.bind(("127.0.0.1", ${port})); l.listen(64)
while True:
  s, _ = l.accept()
  threading.Thread(target=serve, args=(s,), daemon=True).start()
`

for (const isEarly of [false, true]) {
  const what = isEarly
    ? 'whose listening socket has SO_ZEROCOPY is not reached'
    : 'that asks for SO_ZEROCOPY later is refused it'
  test(`an endpoint ${what} in the kernel, and the log says so`, { skip, timeout: 180_000 }, async t => {
    const port = await freePort()
    const process = ['python3', '-c', server(port, isEarly)]
    const web = `
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: web-0, namespace: shop}
spec: {service: web, port: ${port}, process: {command: ${JSON.stringify(process)}}}
`
    await using each = await MemberMesh.create(t, [service('web'), web, member('client')])
    await each.up('--dns-address', 'off', '--kernel-http', 'auto')
    await until(async () => /SO_ZEROCOPY .*the endpoint 127\.0\.0\.1/.test(each.mesh.output))
    if (!isEarly) return
    const rules = (await statusOf(each)).services.flatMap(({ rules }) => rules.map(({ where }) => where))
    assert.match(rules.join(), /is not reached in the kernel/)
    const url = `http://${await addressOf(each)}:9080/`
    const { output } = await runIn(join(each.cgroup.folder, 'shop.client'), ['curl', '-s', '-m', '20', url])
    assert.equal(output, 'ok', 'by the proxy')
  })
}
