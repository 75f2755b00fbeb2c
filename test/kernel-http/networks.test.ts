import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Container, peerOf } from '../datapath/container.ts'
import { closedEgress, serviceOf } from '../datapath/member-mesh.ts'
import type { MemberMesh } from '../datapath/member-mesh.ts'
import { Python } from '../datapath/python.ts'
import { datapathSkip } from '../datapath/world.ts'
import { until } from '../support/until.ts'
import { netnsCookie } from '../../src/kernel/index.ts'
import { addressOf, areLeft, begin, entriesOfPath, programsOfPath, statusOf, untilCarried } from './carried.ts'

const skip = datapathSkip('python3')

/** Servers that say a name, a client that keeps its connection, and threads that ask until they are stopped. */
const script = `
import http.client, http.server, threading, time
def serve(address, port, name):
  class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
      if self.path == "/slow": time.sleep(1)
      self.rfile.read(int(self.headers.get("Content-Length", "0")))
      self.send_response(200); self.send_header("Content-Length", str(len(name))); self.end_headers(); self.wfile.write(name.encode())
    do_POST = do_GET
    def log_message(self, *_): pass
  server = http.server.ThreadingHTTPServer((address, port), Handler)
  threading.Thread(target=server.serve_forever, daemon=True).start()
  return server.server_port
def opened(host, port=9080):
  connection = http.client.HTTPConnection(host, port, timeout=120); connection.connect()
  return connection
def ask(connection, path="/", size=0):
  connection.request("POST" if size else "GET", path, b"x" * size or None)
  response = connection.getresponse()
  return "%d %s" % (response.status, response.read().decode().strip())
class Later(threading.Thread):
  def __init__(self, *args): super().__init__(daemon=True); self.args = args; self.answer = ""; self.start()
  def run(self): self.answer = ask(*self.args)
  def said(self): self.join(); return self.answer
over = threading.Event(); threads = []; answers = []; wrong = []
def load(host, name):
  connection = http.client.HTTPConnection(host, 9080, timeout=120)
  while not over.is_set():
    time.sleep(0.002)
    try:
      said = ask(connection, "/load")
      answers.append(1) if said.startswith("200 " + name) else wrong.append(said)
    except Exception as error:
      wrong.append(repr(error)); connection.close()
def begin(host, name):
  threads.append(threading.Thread(target=load, args=(host, name), daemon=True)); threads[-1].start()
def stop():
  over.set(); [thread.join() for thread in threads]
  return (len(answers) > 20, wrong[:5])
`

async function prepared(program: Python): Promise<Python> {
  assert.equal(await program.do(script), '')
  return program
}

const begun = async (program: Python, host: string, name = 'c'): Promise<string> =>
  await program.do(`${name} = opened("${host}")`)

/** What two requests on a connection are answered, and how many of them in the kernel. */
async function twice(each: MemberMesh, program: Python, name = 'c'): Promise<string> {
  const { served } = await statusOf(each)
  const said = [await program.do(`ask(${name})`), await program.do(`ask(${name})`)]
  assert.equal(said[0], said[1])
  return `${said[0]?.replace(/ \d+$/, '')}, ${(await statusOf(each)).served - served} in the kernel`
}

const port = 8080

interface World {
  readonly each: MemberMesh
  /** Their clients and servers are of the mesh. */
  readonly one: Container
  readonly two: Container
  readonly home: Python
  readonly web: string
  readonly api: string
}

const services = serviceOf('api', '{port: 9080}') + serviceOf('apps', '{port: 1}')

/** `web` is served at home, `api` in the container `two`, whose address `one` has, too. */
async function open(t: TestContext, stack: AsyncDisposableStack): Promise<World> {
  const each = stack.use(await begin(t, { more: services }, '--kernel-http', 'auto'))
  const one = stack.use(await Container.start(each, 'one'))
  const two = stack.use(await Container.start(each, 'two'))
  const home = new Python({ cgroup: join(each.cgroup.folder, 'shop.client') })
  stack.defer(() => home.end())
  for (const program of [one.program, two.program, home]) await prepared(program)
  const there = await two.link()
  assert.equal(await one.run('ip', 'addr', 'add', `${there}/32`, 'dev', 'lo'), '')
  for (const address of [there, '127.0.0.1']) {
    await one.program.do(`serve("${address}", ${port}, "one")`)
    await two.program.do(`serve("${address}", ${port}, "two")`)
  }
  assert.match(await one.join('-s', 'apps', '-n', 'shop', '--name', 'one', '-l', 'app=one'), /is in the mesh/)
  // At the address that the node reaches, which is found out.
  const words = ['join', two.folder, '-s', 'api', '-n', 'shop', '--name', 'two', '-l', 'app=two', '--port', `${port}`]
  const { stdout, stderr } = await each.mesh.run(...words)
  assert.match(stdout, /is in the mesh/, stderr)
  for (const name of ['web', 'api']) await untilCarried(each, name)
  return { each, one, two, home, web: await addressOf(each), api: await addressOf(each, 'api') }
}

test('requests between network namespaces are answered in the kernel', { skip, timeout: 240_000 }, async t => {
  await using stack = new AsyncDisposableStack()
  const { each, one, two, home, web, api } = await open(t, stack)
  await begun(one.program, web)
  assert.equal(await twice(each, one.program), '200 web-0, 2 in the kernel', 'from there to home')
  await begun(home, api)
  assert.equal(await twice(each, home), '200 two, 2 in the kernel', 'from home to there')
  await begun(one.program, api, 'd')
  assert.equal(await twice(each, one.program, 'd'), '200 two, 2 in the kernel', 'to the one of two equal addresses')
  await begun(two.program, api)
  assert.equal(await twice(each, two.program), '200 two, 2 in the kernel', 'within one')
  // On the same connection, to the worker that knows the network.
  assert.equal(await one.program.do('ask(d, "/", 100000)'), '200 two')
  assert.equal(await twice(each, one.program, 'd'), '200 two, 0 in the kernel', 'demoted for life')
  // Its own servers stay its own, also where the agent has a socket at the same place of another network namespace.
  const own = await home.do('c.sock.getsockname()[1]')
  const { port: listener } = peerOf(home.pid, Number(own))
  await one.program.do(`serve("127.0.0.1", ${listener}, "one")`)
  await one.program.do(`e = opened("127.0.0.1", ${listener})`)
  assert.equal(await twice(each, one.program, 'e'), '200 one, 0 in the kernel')
})

const onlyClient = `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: two, namespace: shop}
spec:
  podSelector: {matchLabels: {app: two}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]
`

test(
  'policies hold between network namespaces, for the next request of a connection on the path',
  { skip, timeout: 240_000 },
  async t => {
    await using stack = new AsyncDisposableStack()
    const { each, one, home, web, api } = await open(t, stack)
    for (const program of [one.program, home]) {
      await begun(program, api)
      assert.equal(await twice(each, program), '200 two, 2 in the kernel')
    }
    each.mesh.write('two.yaml', onlyClient)
    await until(async () => (await one.program.do('ask(c)')).startsWith('403 '))
    assert.equal(await twice(each, home), '200 two, 2 in the kernel', 'who may')
    await begun(one.program, api)
    assert.match(await twice(each, one.program), /^403 .*policy-denied.*, 0 in the kernel$/)
    await begun(one.program, web, 'd')
    assert.equal(await twice(each, one.program, 'd'), '200 web-0, 2 in the kernel', 'to others it may')
    each.mesh.write('one.yaml', closedEgress('one'))
    await until(async () => (await one.program.do('ask(d)')).startsWith('403 '))
    // It may connect to the path's own socket there, as to those of the proxy, which refuses it.
    await begun(one.program, web)
    assert.match(await twice(each, one.program), /^403 .*policy-denied.*, 0 in the kernel$/)
  },
)

/** Connections, and programs that ask all the time, over the end of an agent and the start of the next. */
async function outlive({ each, one, home, web, api }: World): Promise<void> {
  await begun(one.program, api)
  await begun(home, api)
  for (const program of [one.program, home]) assert.equal(await twice(each, program), '200 two, 2 in the kernel')
  await one.program.do(`begin("${api}", "two"); begin("${web}", "web-0")`)
  await home.do(`begin("${api}", "two")`)
  await until(async () => (await statusOf(each)).served > 100)
  await one.program.do('slow = Later(c, "/slow")')
  await each.kill('SIGKILL')
  for (let count = 0; count < 3; count++) assert.equal(await home.do('ask(c)'), '200 two', 'with no agent alive')
  assert.equal(await one.program.do('slow.said()'), '200 two', 'what was under way')
  assert.equal(await one.program.do('ask(c)'), '200 two')
  await one.program.do(`fresh = opened("${api}")`)
  await one.program.do('large = Later(fresh, "/", 100000)')
  await each.up('--dns-address', 'off', '--kernel-http', 'auto')
  assert.equal(await one.program.do('large.said()'), '200 two', "what is the proxy's waits for the next agent")
  assert.equal(await one.program.do('ask(fresh)'), '200 two')
  for (const program of [one.program, home]) assert.equal(await program.do('ask(c)'), '200 two')
  for (const name of ['web', 'api']) await untilCarried(each, name)
  await begun(one.program, api)
  assert.equal(await twice(each, one.program), '200 two, 2 in the kernel', 'on the path of the next agent')
  for (const program of [one.program, home]) assert.equal(await program.do('stop()'), '(True, [])')
}

/** What is in maps of the path of other network namespaces than this one, and how many connections to endpoints there are. */
async function abroad(each: MemberMesh): Promise<readonly number[]> {
  const netns = netnsCookie()
  const listeners = entriesOfPath<{ readonly netns: bigint }, unknown>(each, 'kh_listeners')
  const pairs = entriesOfPath<{ readonly netns: bigint }, unknown>(each, 'kh_pairs')
  const backends = entriesOfPath(each, 'kh_backends').length - (await statusOf(each)).pooled
  const elsewhere = [...listeners, ...pairs].filter(([key]) => key.netns !== netns)
  return [elsewhere.length, backends, entriesOfPath(each, 'kh_expected').length]
}

test(
  'while the agent is killed and started again, requests between network namespaces go on; who leaves leaves nothing',
  { skip, timeout: 300_000 },
  async t => {
    await using stack = new AsyncDisposableStack()
    const world = await open(t, stack)
    const { each, one, two, home } = world
    const before = programsOfPath(each)
    await outlive(world)
    // Each connection of the killed agent's path has asked for something by now.
    await until(() => areLeft(before).length === 0)
    await begun(home, world.web)
    for (const name of ['one', 'two']) assert.equal((await each.mesh.run('leave', `shop/${name}`)).code, 0)
    await until(async () => {
      const said = await home.do(`ask(opened("${world.api}"))`)
      return said.startsWith('503 ')
    })
    assert.equal(await twice(each, home), '200 web-0, 2 in the kernel', 'those that stay are served')
    await Promise.all([one, two].map(container => container.program.end()))
    await until(async () => {
      assert.deepEqual(await abroad(each), [0, 0, 0])
      return true
    })
    // Its cable ends with the namespace, which a socket of the agent or of its keeper would keep.
    await until(() => !existsSync(`/sys/class/net/${two.cable}`))
  },
)

/** By new connections: one that has been to the proxy stays there. */
async function untilSaid(each: MemberMesh, program: Python, host: string, said: string): Promise<void> {
  await until(async () => {
    await begun(program, host)
    return (await twice(each, program)) === said
  })
}

test(
  'a container that is started again is reached in its new network namespace at its old address, and not if another one has that',
  { skip, timeout: 240_000 },
  async t => {
    await using stack = new AsyncDisposableStack()
    const { each, one, two, home, api } = await open(t, stack)
    await begun(home, api)
    assert.equal(await twice(each, home), '200 two, 2 in the kernel')
    await two.restart()
    const there = await two.link()
    await prepared(two.program)
    await two.program.do(`serve("${there}", ${port}, "new")`)
    await untilSaid(each, home, api, '200 new, 2 in the kernel')
    assert.equal((await each.mesh.run('leave', 'shop/one')).code, 0)
    const words = ['join', one.folder, '-s', 'apps', '-n', 'shop', '--name', 'one', '--port', '9', '--address', there]
    assert.equal((await each.mesh.run(...words)).code, 0)
    await untilSaid(each, home, api, '200 new, 0 in the kernel')
    const { services: told } = await statusOf(each)
    const where = told.flatMap(({ rules }) => rules).find(({ route }) => route.includes('api'))?.where
    assert.equal(where, `user space: endpoint ${there}:${port} is not reached in the kernel`)
  },
)
