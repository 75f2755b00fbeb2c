/** Programs of a mesh whose HTTP is in the kernel. */
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import type { KernelPathStatus } from '../../src/daemon/index.ts'
import { commandInCgroup } from '../../src/datapath/index.ts'
import { Bpf, openMapById, takeInventory } from '../../src/kernel/index.ts'
import { member, MemberMesh } from '../datapath/member-mesh.ts'
import { service, workload } from '../mesh/resources.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/until.ts'

/**
 * A client that keeps its connections. Each line of input is `path`, or `post path`, for one more exchange on the connection
 * that there is, or `load N` for N threads that ask until `stop`, which tells how many answers there were and what else there was; `count` tells
 * how many there are so far.
 */
const script = `
import http.client, json, sys, threading, time
host = sys.argv[1]
kept = http.client.HTTPConnection(host, 9080, timeout=120)
def ask(connection, path, method = "GET"):
  connection.request(method, path, **({"body": ""} if method == "POST" else {}))
  response = connection.getresponse()
  return "%d %s" % (response.status, response.read().decode().strip())
over = threading.Event(); threads = []; answers = []; wrong = []
def load(number):
  connection = http.client.HTTPConnection(host, 9080, timeout=120)
  while not over.is_set():
    time.sleep(0.002)
    try:
      said = ask(connection, "/load/%d" % number)
      if said.startswith("200 web-0 "): answers.append(1)
      else: wrong.append(said)
    except Exception as error:
      wrong.append(type(error).__name__ + ": " + str(error)); connection.close()
for line in sys.stdin:
  word, _, rest = line.strip().partition(" ")
  if word == "load":
    threads = [threading.Thread(target=load, args=(n,)) for n in range(int(rest))]
    for thread in threads: thread.start()
    said = "begun"
  elif word == "stop":
    over.set()
    for thread in threads: thread.join()
    said = {"answers": len(answers), "wrong": wrong[:5]}
  elif word == "count": said = len(answers)
  else:
    try: said = ask(kept, rest, "POST") if word == "post" else ask(kept, word)
    except Exception as error: said = type(error).__name__ + ": " + str(error)
  print(json.dumps(said), flush=True)
`

export class Client implements AsyncDisposable {
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
export async function ask(each: MemberMesh, path: string, body?: string): Promise<string> {
  return text(await open(each, path, body))
}

/** The answer as it comes. */
export async function open(each: MemberMesh, path: string, body?: string): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const method = body === undefined ? 'GET' : 'POST'
  const options = { socketPath: each.mesh.socketPath, path, method, headers: { host: 'localhost' }, agent: false }
  request(options, resolve)
    .on('error', reject)
    .end(body ?? '')
  return promise
}

/** @param isOn  to turn it */
export async function statusOf(each: MemberMesh, isOn?: boolean): Promise<KernelPathStatus> {
  return JSON.parse(await ask(each, '/kernel-http', isOn === undefined ? undefined : JSON.stringify({ isOn })))
}

/** Where its access log is. */
export const logOf = ({ mesh }: MemberMesh): string => `${mesh.socketPath}.access`

/** @param address  where the endpoint listens */
export async function begin(
  t: TestContext,
  { more = '', address = '127.0.0.1' }: { more?: string; address?: string },
  ...flags: readonly string[]
): Promise<MemberMesh> {
  const port = await freePort()
  const web = [service('web'), workload('web-0', 'web', port, address)]
  const resources = [...web, member('client'), member('stranger'), more]
  const each = await MemberMesh.create(t, resources)
  await each.up('--dns-address', 'off', '--access-log', logOf(each), ...flags)
  return each
}

/** Rules of which one has a time limit. */
export const limited = `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: '', kind: Service, name: web}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /never}}]
      timeouts: {request: 1s}
      backendRefs: [{name: web, port: 9080}]
    - backendRefs: [{name: web, port: 9080}]
`

/** Its rules may be in the kernel once there are connections to its endpoint. @param name  of a Service. @default any */
export async function untilCarried(each: MemberMesh, name = ''): Promise<void> {
  await until(async () => {
    const { isOn, services } = await statusOf(each)
    const rules = services.flatMap(service => service.rules).filter(({ route }) => route.includes(name))
    return isOn && rules.some(({ where }) => where === 'kernel')
  })
}

export async function addressOf(each: MemberMesh, name = 'web'): Promise<string> {
  const { services } = await each.mesh.status()
  return services.find(({ key }) => key === `shop/${name}:9080`)?.address?.split(':')[0] ?? ''
}

/** Entries of a map of the path, of this mesh; none where an agent has no path. */
export function entriesOfPath<K, V>(each: MemberMesh, name: string): readonly (readonly [K, V])[] {
  const programs = programsOfPath(each)
  using bpf = new Bpf()
  const inventory = takeInventory(bpf, 'kh_')
  const ours = new Set(inventory.programs.filter(({ id }) => programs.includes(id)).flatMap(({ mapIds }) => mapIds))
  return inventory.maps.flatMap(map => {
    if (map.name !== name || !ours.has(map.id)) return []
    using opened = openMapById<K, V>(bpf, map.id)
    return [...(opened?.entries() ?? [])]
  })
}

/** Programs of the path that hang on this mesh's cgroup, and those that share their maps; agents of others have their own. */
export function programsOfPath(each: MemberMesh): readonly number[] {
  using bpf = new Bpf()
  const { links, programs } = takeInventory(bpf, 'kh_')
  const attached = new Set(
    links.filter(({ cgroupId }) => cgroupId === each.cgroup.id).map(({ programId }) => programId),
  )
  const maps = new Set(programs.filter(({ id }) => attached.has(id)).flatMap(({ mapIds }) => mapIds))
  return programs.filter(({ mapIds }) => mapIds.some(id => maps.has(id))).map(({ id }) => id)
}

/** Those of them that are in the kernel still. */
export function areLeft(ids: readonly number[]): readonly number[] {
  using bpf = new Bpf()
  return takeInventory(bpf, 'kh_')
    .programs.map(({ id }) => id)
    .filter(id => ids.includes(id))
}
