import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { commandInCgroup } from '../../src/datapath/index.ts'
import { closedEgress, endpoint, member, MemberMesh, serviceOf } from './member-mesh.ts'
import { datapathSkip } from './world.ts'

const skip = datapathSkip('dig')

/**
 * What programs do again and again until their input ends: each try is told with when it began and ended, on the clock
 * of the machine (CLOCK_MONOTONIC, as `process.hrtime`), and with what came of it.
 */
const script = `
import http.client, json, socket, sys, threading, time
kind, host = sys.argv[1:3]
over = threading.Event()
def tries(act, pause=0.005):
  done = []
  while not over.is_set():
    began = time.monotonic()
    try: said = act()
    except Exception as error: said = "failed: " + type(error).__name__ + ": " + str(error)
    done.append([began, time.monotonic(), said])
    time.sleep(pause)
  return done
def connect():
  s = socket.create_connection((host, 9080), 100); s.sendall(b"?")
  d = s.recv(99).decode(); s.close(); return d
def ask():
  c = http.client.HTTPConnection(host, 9080, timeout=100); c.request("GET", "/")
  r = c.getresponse(); d = r.read().decode(); c.close(); return "%d %s" % (r.status, d)
def resolve(): return socket.getaddrinfo(host, 9080, socket.AF_INET)[0][4][0]
def stream():
  s = socket.create_connection((host, 9080), 100); s.sendall(b"#"); sent = 1
  while not over.is_set(): sent += s.send(b"x" * 4096); time.sleep(0.001)
  s.shutdown(socket.SHUT_WR); s.settimeout(100)
  return "%d %d" % (sent, int(s.recv(99)))
acts = {"connect": connect, "ask": ask, "resolve": resolve}
result = []
thread = threading.Thread(target=lambda: result.append(stream() if kind == "stream" else tries(acts[kind])))
thread.start(); print("begun", flush=True); sys.stdin.read(); over.set(); thread.join()
print(json.dumps(result[0]))
`

/** A name waits for the next agent longer than the 10 s that a resolver has by itself: the machine may be busy. */
const patient = { ...process.env, RES_OPTIONS: 'timeout:10 attempts:5' }

const connectOnce = `
import socket, sys
s = socket.create_connection((sys.argv[1], 9080), 100); s.sendall(b"?"); print(s.recv(99).decode())
`

type Try = readonly [beganS: number, endedS: number, said: string]

/** A program that is under load in the cgroup of a workload. */
class Load implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #output: Promise<string>

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#output = text(child.stdout)
  }

  static async begin(each: MemberMesh, workload: string, kind: string, host: string): Promise<Load> {
    const command = commandInCgroup(join(each.cgroup.folder, workload), ['python3', '-c', script, kind, host])
    const [program, ...args] = command
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: patient })
    child.stderr.on('data', (bytes: Buffer) => process.stderr.write(bytes))
    const load = new Load(child)
    await once(child.stdout, 'data')
    return load
  }

  async end(): Promise<string> {
    this.#child.stdin.end()
    return (await this.#output).replace(/^begun\n/, '')
  }

  /** Nothing may stay in the cgroup, whatever became of the test. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#output
  }

  async tries(): Promise<readonly Try[]> {
    return JSON.parse(await this.end()) as readonly Try[]
  }
}

const nowS = (): number => Number(process.hrtime.bigint()) / 1e9

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** Says `here` to a question; of a stream it says at the end how many bytes there were. */
function countingServer(): Server {
  return createServer({ allowHalfOpen: true }, socket => {
    let count = 0
    socket.on('error', () => {})
    socket.on('data', bytes => {
      if (count === 0 && bytes[0] === 0x3f) socket.end('here')
      count += bytes.length
    })
    socket.on('end', () => socket.end(String(count)))
  })
}

async function createMesh(t: TestContext): Promise<MemberMesh> {
  const db = await listening(t, countingServer())
  const web = createHttpServer((_, response) => response.end('hello'))
  return await MemberMesh.create(t, [
    serviceOf('db', '{port: 9080, appProtocol: tcp}'),
    serviceOf('web', '{port: 9080}'),
    endpoint('db', db),
    endpoint('web', await listening(t, web)),
    member('client'),
    member('closed'),
    closedEgress('closed'),
  ])
}

const wrong = (tries: readonly Try[], right: RegExp): readonly Try[] => tries.filter(([, , said]) => !right.test(said))

test(
  'an agent that is killed under load: streams lose no byte, connections succeed, policies refuse, requests and names wait',
  { skip, timeout: 480_000 },
  async t => {
    await using each = await createMesh(t)
    await each.up()
    const { services } = await each.mesh.status()
    const hostOf = (name: string): string =>
      services.find(({ key }) => key === `shop/${name}:9080`)?.address?.split(':')[0] ?? ''
    const [db, web] = [hostOf('db'), hostOf('web')]
    await using stream = await Load.begin(each, 'shop.client', 'stream', db)
    await using connects = await Load.begin(each, 'shop.client', 'connect', db)
    await using denied = await Load.begin(each, 'shop.closed', 'connect', db)
    await using asks = await Load.begin(each, 'shop.client', 'ask', web)
    await using names = await Load.begin(each, 'shop.client', 'resolve', 'db')
    const gone: { readonly killedS: number; readonly endedS: number }[] = []
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
      const killedS = nowS()
      await each.kill(signal)
      const ended = nowS()
      gone.push({ killedS, endedS: ended })
      // Queries by TCP, one at a time while nobody is there to answer.
      const dig = ['dig', '+tcp', '+short', '+tries=1', '+time=100', '@192.0.2.53', 'db']
      const waiting = each.run('shop.client', dig)
      const connect = ['python3', '-c', connectOnce, db]
      assert.equal((await each.run('shop.client', connect)).output, 'here', 'while there is no agent')
      assert.match((await each.run('shop.closed', connect)).output, /PermissionError/)
      await each.up()
      assert.equal((await waiting).output, db, `after ${signal}`)
    }
    const requests = await asks.tries()
    const [sent = '', received] = (JSON.parse(await stream.end()) as string).split(' ')
    assert.equal(received, sent, 'bytes of a stream that was open all the time')
    assert.ok(Number(sent) > 0, sent)
    const connections = await connects.tries()
    assert.deepEqual(wrong(connections, /^here$/), [])
    const refused = await denied.tries()
    assert.deepEqual(
      refused.filter(([, , said]) => !said.startsWith('failed: ')),
      [],
    )
    assert.ok(refused.length > 0)
    const lookups = await names.tries()
    assert.deepEqual(wrong(lookups, new RegExp(`^${db.replaceAll('.', '\\.')}$`)), [])
    // Those that an agent had begun with end with it if it is killed; all others are served.
    const lost = wrong(requests, /^200 hello$/)
    assert.deepEqual(
      lost.filter(([beganS, endedS]) => !gone.some(each => beganS <= each.endedS && endedS >= each.killedS)),
      [],
    )
    assert.ok(lost.length <= 2, JSON.stringify(lost))
    for (const { killedS, endedS } of gone) {
      const [beganS = 0, answeredS = 0] = requests.find(([beganS]) => beganS > endedS) ?? []
      const firstS = Math.min(
        ...requests.filter(each => each[1] > endedS && each[2] === '200 hello').map(each => each[1]),
      )
      t.diagnostic(
        `first answer ${Math.round((firstS - killedS) * 1000)} ms after the signal; a request waited ${Math.round((answeredS - beganS) * 1000)} ms`,
      )
    }
    const slowest = (tries: readonly Try[]): number =>
      Math.round(Math.max(...tries.map(each => each[1] - each[0])) * 1000)
    t.diagnostic(
      `${connections.length} connections (slowest ${slowest(connections)} ms), ${requests.length} requests, ${lost.length} cut, ` +
        `${lookups.length} names (slowest ${slowest(lookups)} ms), ${refused.length} refused, ${sent} bytes`,
    )
  },
)
