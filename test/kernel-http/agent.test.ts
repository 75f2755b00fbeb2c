import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { KernelPathStatus } from '../../src/daemon/index.ts'
import { commandInCgroup } from '../../src/datapath/index.ts'
import { member, MemberMesh } from '../datapath/member-mesh.ts'
import { datapathSkip } from '../datapath/world.ts'
import { service, workload } from '../mesh/resources.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/until.ts'

const skip = datapathSkip('python3')

/**
 * A client that keeps its connections. Each line of input is `path` for one more exchange on the connection that there is,
 * or `load N` for N threads that ask until `stop`, which tells how many answers there were and what else there was.
 */
const script = `
import http.client, json, sys, threading
host = sys.argv[1]
kept = http.client.HTTPConnection(host, 9080, timeout=20)
def ask(connection, path):
  connection.request("GET", path)
  response = connection.getresponse()
  return "%d %s" % (response.status, response.read().decode().strip())
over = threading.Event(); threads = []; counts = []; wrong = []
def load(number):
  connection = http.client.HTTPConnection(host, 9080, timeout=20); count = 0
  while not over.is_set():
    try:
      said = ask(connection, "/load/%d" % number)
      if said.startswith("200 web-0 "): count += 1
      else: wrong.append(said)
    except Exception as error:
      wrong.append(type(error).__name__ + ": " + str(error)); connection.close()
  counts.append(count)
for line in sys.stdin:
  word, _, rest = line.strip().partition(" ")
  if word == "load":
    threads = [threading.Thread(target=load, args=(n,)) for n in range(int(rest))]
    for thread in threads: thread.start()
    said = "begun"
  elif word == "stop":
    over.set()
    for thread in threads: thread.join()
    said = {"answers": sum(counts), "wrong": wrong[:5]}
  else:
    try: said = ask(kept, word)
    except Exception as error: said = type(error).__name__ + ": " + str(error)
  print(json.dumps(said), flush=True)
`

class Client implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  constructor(each: MemberMesh, host: string, name = 'shop.client') {
    const command = commandInCgroup(join(each.cgroup.folder, name), ['python3', '-c', script, host])
    const [program, ...args] = command
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stderr.on('data', (bytes: Buffer) => process.stderr.write(bytes))
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]()
  }

  async say(line: string): Promise<unknown> {
    this.#child.stdin.write(`${line}\n`)
    const { value } = (await this.#lines.next()) as { value?: string }
    return JSON.parse(value ?? '"ended"')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}

/** As commands ask, without a process for each question. @param body  of a POST */
async function ask(each: MemberMesh, path: string, body?: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const method = body === undefined ? 'GET' : 'POST'
  const options = { socketPath: each.mesh.socketPath, path, method, headers: { host: 'localhost' }, agent: false }
  request(options, resolve)
    .on('error', reject)
    .end(body ?? '')
  return text(await promise)
}

/** @param isOn  to turn it */
async function statusOf(each: MemberMesh, isOn?: boolean): Promise<KernelPathStatus> {
  return JSON.parse(await ask(each, '/kernel-http', isOn === undefined ? undefined : JSON.stringify({ isOn })))
}

const logOf = ({ mesh }: MemberMesh): string => `${mesh.socketPath}.access`

async function begin(t: TestContext, more: string, ...flags: readonly string[]): Promise<MemberMesh> {
  const port = await freePort()
  const resources = [service('web'), workload('web-0', 'web', port), member('client'), member('stranger'), more]
  const each = await MemberMesh.create(t, resources)
  await each.up('--dns-address', 'off', '--access-log', logOf(each), ...flags)
  return each
}

/** Its rules may be in the kernel once there are connections to its endpoint. */
async function untilCarried(each: MemberMesh): Promise<void> {
  await until(async () => {
    const { isOn, services } = await statusOf(each)
    return isOn && services.some(({ rules }) => rules.some(({ where }) => where === 'kernel'))
  })
}

async function addressOf(each: MemberMesh): Promise<string> {
  const { services } = await each.mesh.status()
  return services.find(({ key }) => key === 'shop/web:9080')?.address?.split(':')[0] ?? ''
}

test(
  'requests of a member to a plain Service are answered in the kernel; the switch keeps every one of them',
  { skip },
  async t => {
    await using each = await begin(t, '', '--kernel-http', 'auto')
    await untilCarried(each)
    const host = await addressOf(each)
    await using client = new Client(each, host)
    assert.match(String(await client.say('/a')), /^200 web-0 /)
    assert.match(String(await client.say('/b')), /^200 web-0 /)
    const first = await statusOf(each)
    assert.equal(first.served, 2)
    await checkSeen(each)
    await using load = new Client(each, host)
    assert.equal(await load.say('load 4'), 'begun')
    await until(async () => (await statusOf(each)).served > 50)
    for (const word of ['off', 'on', 'off', 'on']) {
      const { code } = await each.mesh.run('kernel-http', word)
      assert.equal(code, 0)
    }
    assert.equal((await each.mesh.run('kernel-http', 'off')).code, 0)
    const { served } = await statusOf(each)
    assert.match(String(await client.say('/c')), /^200 web-0 /, 'the kept connection goes on in user space')
    const said = (await load.say('stop')) as { answers: number; wrong: readonly string[] }
    assert.deepEqual(said.wrong, [])
    assert.ok(said.answers > 50)
    assert.equal((await statusOf(each)).served, served, 'none is answered in the kernel after it is off')
  },
)

/** What passes in the kernel is seen as all other traffic is. */
async function checkSeen(each: MemberMesh): Promise<void> {
  const metrics = await ask(each, '/metrics')
  const labels = 'virtual_host="Service shop/web:9080",route="Service shop/web:9080",backend="shop/web:9080"'
  assert.ok(metrics.includes(`http_server_requests_total{${labels},status_class="2xx"} 2\n`), metrics)
  assert.ok(metrics.includes(`http_server_request_duration_seconds_count{${labels}} 2\n`))
  assert.match(
    metrics,
    /heddle_upstream_requests_total\{backend="shop\/web:9080",endpoint="[^"]+",status_class="2xx"\} 2\n/,
  )
  const bytes = /http_server_response_bytes_total\{[^}]*shop\/web:9080[^}]*\} (\d+)/.exec(metrics)
  assert.ok(Number(bytes?.[1]) > 0)
  const routes = await each.mesh.run('routes', '--all')
  assert.match(routes.stdout, /ANSWERED IN[^]*kernel/)
  const explained = await each.mesh.run('explain', 'GET', 'http://web.shop:9080/a', '--from', 'shop/client')
  assert.match(explained.stdout, /answered in kernel/)
  await until(async () => {
    const { services } = await each.mesh.status()
    return services.some(({ key, rates }) => key === 'shop/web:9080' && rates.requestsPerSecond > 0)
  })
  // Lines are written a moment after their request.
  const log = logOf(each)
  await until(() => readFileSync(log, 'utf8').split('\n').length >= 2)
  assert.match(readFileSync(log, 'utf8'), /GET .*\/a.* 200 .*shop\/web:9080/)
}

const closed = `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec:
  podSelector: {matchLabels: {app: stranger}}
  policyTypes: [Egress]
`

test(
  'a policy that changes holds for the next request of a connection on the path',
  { skip, timeout: 180_000 },
  async t => {
    await using each = await begin(t, '', '--kernel-http', 'auto')
    await untilCarried(each)
    await using stranger = new Client(each, await addressOf(each), 'shop.stranger')
    assert.match(String(await stranger.say('/a')), /^200 web-0 /)
    assert.equal((await statusOf(each)).served, 1)
    each.mesh.write('closed.yaml', closed)
    await until(async () => !String(await stranger.say('/b')).startsWith('200 '))
  },
)

test('it is off unless it is set, and says so', { skip, timeout: 180_000 }, async t => {
  await using each = await begin(t, '')
  const { stdout } = await each.mesh.run('kernel-http')
  assert.match(stdout, /^HTTP in the kernel is off: not set/)
  assert.equal((await statusOf(each, true)).isOn, true)
  await untilCarried(each)
})
