import assert from 'node:assert/strict'
import { mkdirSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { MemberMesh, serviceOf } from '../datapath/member-mesh.ts'
import { Python } from '../datapath/python.ts'
import { datapathSkip } from '../datapath/world.ts'
import { service } from '../mesh/resources.ts'
import { addressOf, statusOf, untilCarried } from './carried.ts'

const skip = datapathSkip('python3')

const serve = `
import http.client, http.server, threading
class Handler(http.server.BaseHTTPRequestHandler):
  protocol_version = "HTTP/1.1"
  def do_GET(self):
    self.send_response(200); self.send_header("Content-Length", "3"); self.end_headers(); self.wfile.write(b"web")
  def log_message(self, *_): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=s.serve_forever, daemon=True).start()
`

const ask = `
import http.client
def ask(connection):
  connection.request("GET", "/a")
  return connection.getresponse().read().decode()
`

/** Programs as the system runs them, in cgroups that are none of the mesh's; the last one has none of its own. */
class Outside implements AsyncDisposable {
  readonly root: string
  readonly folders: readonly string[]
  readonly server: Python
  readonly client: Python
  readonly other: Python = new Python()

  constructor(mesh: MemberMesh) {
    this.root = join(dirname(mesh.cgroup.folder), `heddle-test-${process.pid}.slice`)
    this.folders = [join(this.root, 'web.service'), join(this.root, 'deep'), join(this.root, 'deep/client.service')]
    for (const folder of this.folders) mkdirSync(folder, { recursive: true })
    this.server = new Python({ cgroup: this.folders[0] ?? '' })
    this.client = new Python({ cgroup: this.folders[2] ?? '' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.server, this.client, this.other].map(each => each.end()))
    for (const folder of [...this.folders.toReversed(), this.root]) rmdirSync(folder)
  }
}

test(
  'programs that have joined take the path as clients and as endpoints, with connections that they open from then on',
  { skip, timeout: 120_000 },
  async t => {
    await using mesh = await MemberMesh.create(t, [service('web'), serviceOf('else', '{port: 80, appProtocol: tcp}')])
    await mesh.up('--dns-address', 'off', '--kernel-http', 'auto')
    await using outside = new Outside(mesh)
    const { server, client, other, folders } = outside
    const run = async (...words: readonly string[]): Promise<void> => {
      const { code, stderr } = await mesh.mesh.run(...words)
      assert.equal(code, 0, stderr)
    }
    const open = async (by: Python, name: string): Promise<void> => {
      await by.do(`${name} = http.client.HTTPConnection("${await addressOf(mesh)}", 9080, timeout=120)`)
      assert.equal(await by.do(`${name}.connect()`), 'None')
    }
    /** How many of two answers come in the kernel. */
    const inKernel = async (by: Python, name: string): Promise<number> => {
      const { served } = await statusOf(mesh)
      for (let count = 0; count < 2; count++) assert.equal(await by.do(`ask(${name})`), 'web')
      return (await statusOf(mesh)).served - served
    }
    for (const each of [server, other]) await each.do(serve)
    for (const each of [client, other]) await each.do(ask)

    await run('join', folders[0] ?? '', '-s', 'web', '-n', 'shop', '--name', 'web-0')
    await untilCarried(mesh)
    await open(client, 'early')
    assert.equal(await inKernel(client, 'early'), 0, 'who is not of the mesh')
    await run('join', folders[2] ?? '', '-s', 'else', '-n', 'shop', '--name', 'client', '--port', '1')
    assert.equal(await inKernel(client, 'early'), 0, 'a connection from before')
    await open(client, 'late')
    assert.equal(await inKernel(client, 'late'), 2, 'a cgroup that has joined')
    await run('leave', 'shop/client')
    await open(client, 'last')
    assert.equal(await inKernel(client, 'last'), 0, 'who has left')

    await run('leave', 'shop/web-0')
    await run('join', `${other.pid}`, '-s', 'web', '-n', 'shop', '--name', 'web-1')
    await untilCarried(mesh)
    await open(other, 'own')
    assert.equal(await inKernel(other, 'own'), 2, 'a process that was moved, with the socket at which it listens')
    await run('leave', 'shop/web-1')
  },
)
