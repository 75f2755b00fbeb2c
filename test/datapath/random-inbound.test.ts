import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { test } from 'node:test'
import { formatIpAddress } from '../../src/codec/index.ts'
import { ipProtocols } from '../../src/model/index.ts'
import type { CompiledNetworkPolicy } from '../../src/model/index.ts'
import { evaluateNetworkPolicy, findPlace } from '../../src/policy/index.ts'
import type { NetworkProbe } from '../../src/policy/index.ts'
import { testReconciler } from '../../src/sources/reconcile/testing.ts'
import { RandomWorld } from '../policy/random-world.ts'
import { isAllowed, isDirectionAllowed } from '../policy/oracle.ts'
import type { RawParty, RawProbe, RawWorld } from '../policy/oracle.ts'
import { compileWorld, probeOf } from '../policy/world.ts'
import { datapathSkip, World } from './world.ts'

const skip = datapathSkip()
const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? randomInt(2 ** 31))
const worlds = 1000
const probesPerWorld = Number(process.env['HEDDLE_POLICY_PROBES'] ?? 4)

/**
 * Prints the cookie of its network namespace, and is told the cgroup where it is at home. Then for each line a server in one cgroup and a client in another, both with addresses of their own, in a network that is
 * nobody else's (`one`), or in two that a cable joins (`two`). Prints what connect() or sendto() said, and whether the
 * server heard of it. What is expected to come through is waited for; the rest has its moment.
 */
const prober = `
import ctypes, os, select, socket, subprocess, sys
def run(*words): subprocess.run(["ip", *words], check=True)
libc = ctypes.CDLL(None, use_errno=True)
networks = sys.argv[1]
SO_NETNS_COOKIE = 71
with socket.socket() as s: print(int.from_bytes(s.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), sys.byteorder), flush=True)
home = sys.stdin.readline().strip()
here = there = os.open("/proc/self/ns/net", os.O_RDONLY)
run("link", "set", "lo", "up")
devices = {here: "lo"}
if networks == "two":
  keeper = subprocess.Popen(["sleep", "infinity"])
  libc.unshare(0x40000000)
  there = os.open("/proc/self/ns/net", os.O_RDONLY)
  run("link", "set", "lo", "up")
  run("link", "add", "far", "type", "veth", "peer", "name", "near", "netns", str(keeper.pid))
  devices = {here: "near", there: "far"}
  for each in (here, there):
    libc.setns(each, 0)
    run("link", "set", devices[each], "up")
    # Routes go with the last address.
    run("addr", "add", "198.18.0.1/32", "dev", devices[each])
  # Once both ends are up.
  for each in (here, there):
    libc.setns(each, 0)
    run("route", "add", "default", "dev", devices[each])
    run("-6", "route", "add", "default", "dev", devices[each])
  keeper.kill(); keeper.wait()
known = {here: set(), there: set()}
def edit(network, verb, address):
  libc.setns(network, 0)
  size = "128" if ":" in address else "32"
  run("addr", verb, address + "/" + size, "dev", devices[network], *(["nodad"] if ":" in address and verb == "add" else []))
def way(address):
  return subprocess.run(["ip", "-6", "route", "get", address], capture_output=True, text=True).stdout
def own(network, address):
  for each in known:
    if each != network and address in known[each]: known[each].remove(address); edit(each, "del", address)
  if address in known[network] or address.startswith("127."): return
  known[network].add(address)
  edit(network, "add", address)
  # The kernel makes an address of IPv6 this machine's own later than it says: till then what a socket sends there is
  # forwarded to nowhere, and a connection keeps to that way for good.
  while ":" in address and not way(address).startswith("local"): pass
def enter(folder):
  with open(folder + "/cgroup.procs", "w") as f: f.write("0")
for line in sys.stdin:
  source, target, protocol, peer, address, port, wait = line.split()
  own(there, peer); own(here, address)
  family = socket.AF_INET6 if ":" in address else socket.AF_INET
  kind = socket.SOCK_STREAM if protocol == "6" else socket.SOCK_DGRAM
  enter(target)
  libc.setns(here, 0)
  with socket.socket(family, kind) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, int(port)))
    if protocol == "6": s.listen()
    enter(home if source == "-" else source)
    libc.setns(there, 0)
    with socket.socket(family, kind) as c:
      c.setblocking(False)
      c.bind((peer, 0))
      asked = "0"
      try: c.connect((address, int(port))) if protocol == "6" else c.sendto(b"x", (address, int(port)))
      except BlockingIOError: pass
      except OSError as e: asked = str(e.errno)
      heard = 1 if select.select([s], [], [], 10 if wait == "1" else 0.004)[0] else 0
      enter(home)
  print(asked, heard, flush=True)
`

type Networks = 'one' | 'two'

class Prober {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string, undefined>

  constructor(networks: Networks) {
    this.#child = spawn('unshare', ['--net', 'python3', '-c', prober, networks], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** The first that it says. */
  async network(): Promise<bigint> {
    return BigInt(await this.#line())
  }

  /** @param home  folder of the cgroup where it stays */
  begin(home: string): void {
    this.#child.stdin.write(`${home}\n`)
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    assert.ok(done !== true, 'the prober goes on')
    return value
  }

  async ask(lines: readonly string[]): Promise<readonly string[]> {
    this.#child.stdin.write(lines.map(line => `${line}\n`).join(''))
    const answers: string[] = []
    while (answers.length < lines.length) answers.push(await this.#line())
    return answers
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.stdin.end()
    await ended
  }
}

interface Verdicts {
  /** What the caller is told; whoever is not of the mesh may ask whom he likes. */
  readonly isAsked: boolean
  readonly isHeard: boolean
}

/** A probe as it was thrown, and as tables take it. */
interface Question {
  readonly raw: RawProbe
  readonly probe: NetworkProbe
}

/** Whom the receiver takes for the caller: whose socket it is, or, from another network, whose address it is. */
function callerOf(compiled: CompiledNetworkPolicy, { from }: NetworkProbe, networks: Networks): NetworkProbe['from'] {
  if (networks === 'one') return from
  const place = findPlace(compiled.places, from.address ?? new Uint8Array(4), 0, 0)
  return { identity: place?.identity ?? 0, member: place?.member ?? '', address: from.address }
}

/** Who is known to be at the address, for the caller. */
function seenBy(compiled: CompiledNetworkPolicy, { to, protocol, port }: NetworkProbe): NetworkProbe['to'] {
  const place = findPlace(compiled.places, to.address ?? new Uint8Array(4), protocol, port)
  return { identity: place?.identity ?? 0, member: place?.member ?? '', address: to.address }
}

/** The caller goes by who is known to be at the address, the receiver by who is really there. */
function evaluated(compiled: CompiledNetworkPolicy, { probe }: Question, networks: Networks): Verdicts {
  const { from } = probe
  const to = seenBy(compiled, probe)
  const isAsked = from.member === '' || evaluateNetworkPolicy(compiled, { ...probe, to }).isAllowed
  const asHeard = { ...probe, from: callerOf(compiled, probe, networks) }
  return { isAsked, isHeard: isAsked && evaluateNetworkPolicy(compiled, asHeard).ingress.kind !== 'denied' }
}

/** The same by the text of the specification, which knows resources alone. */
function specified(
  world: RawWorld,
  compiled: CompiledNetworkPolicy,
  { raw, probe }: Question,
  networks: Networks,
): Verdicts {
  const partyOf = ({ member, address }: NetworkProbe['to']): RawParty => {
    const found = world.workloads.find(
      ({ metadata }) => `${metadata.namespace ?? 'default'}/${metadata.name}` === member,
    )
    return found ?? formatIpAddress(address ?? new Uint8Array(4))
  }
  const isAsked = typeof raw.from === 'string' || isAllowed(world, { ...raw, to: partyOf(seenBy(compiled, probe)) })
  const from = partyOf(callerOf(compiled, probe, networks))
  return { isAsked, isHeard: isAsked && (from === raw.to || isDirectionAllowed(world, { ...raw, from }, 'ingress')) }
}

/** Between addresses of one family, to a member, by TCP or UDP; over a cable not by those of the machine itself. */
function canAsk({ from, to, protocol }: NetworkProbe, networks: Networks): boolean {
  const ends = [from.address, to.address]
  if (networks === 'two' && (ends.some(end => end?.length === 4 && end[0] === 127) || isSame(from, to))) return false
  return protocol !== ipProtocols.SCTP && to.member !== '' && from.address?.length === to.address?.length
}

function isSame(from: NetworkProbe['from'], to: NetworkProbe['to']): boolean {
  return Buffer.compare(from.address ?? new Uint8Array(4), to.address ?? new Uint8Array(4)) === 0
}

const rows: readonly (readonly [networks: Networks, name: string, worlds: number])[] = [
  ['one', 'in one network', worlds],
  ['two', 'between network namespaces', worlds],
]

for (const [networks, name, count] of rows) {
  test(
    `${name} servers hear of whom evaluation and specification let in, by TCP and UDP, IPv4 and IPv6 (seed ${seed})`,
    { skip, timeout: 600_000 },
    async t => {
      await using ends = new AsyncDisposableStack()
      const network = new Prober(networks)
      ends.defer(() => network.end())
      // Where the servers are is the node.
      const kernel = new World(t, { homeNetwork: await network.network() })
      network.begin(kernel.cgroup.folder.slice(0, kernel.cgroup.folder.lastIndexOf('/')))
      const dice = new RandomWorld(seed)
      const reconciler = testReconciler()
      let before: CompiledNetworkPolicy | undefined
      const counts = { heard: 0, refused: 0, dropped: 0 }
      for (let at = 0; at < count; at++) {
        const world = dice.world()
        const { set, compiled } = compileWorld(reconciler, world, before)
        before = compiled
        kernel.police(set.members, compiled)
        const probes: Question[] = []
        for (let tries = 0; probes.length < probesPerWorld && tries < 1000; tries++) {
          const raw = dice.probe(world)
          const probe = probeOf(set, raw)
          if (canAsk(probe, networks)) probes.push({ raw, probe })
        }
        const verdicts = probes.map(each => evaluated(compiled, each, networks))
        for (const [index, each] of probes.entries()) {
          const text = specified(world, compiled, each, networks)
          assert.deepEqual(verdicts[index], text, `seed ${seed}: ${JSON.stringify({ world, probe: each.raw })}`)
        }
        const lines = probes.map(({ probe: { from, to, protocol, port } }, index) => {
          const [peer, address] = [from, to].map(party => formatIpAddress(party.address ?? new Uint8Array(4)))
          const source = from.member === '' ? '-' : kernel.cgroup.enter(from.member)
          const wait = verdicts[index]?.isHeard === true ? 1 : 0
          return `${source} ${kernel.cgroup.enter(to.member)} ${protocol} ${peer} ${address} ${port} ${wait}`
        })
        for (const [index, answer] of (await network.ask(lines)).entries()) {
          const { isAsked, isHeard } = verdicts[index] ?? { isAsked: false, isHeard: false }
          const expected = `${isAsked ? 0 : 1} ${isHeard ? 1 : 0}`
          assert.equal(answer, expected, `seed ${seed}: ${JSON.stringify({ world, probe: probes[index]?.raw })}`)
          counts[isHeard ? 'heard' : isAsked ? 'dropped' : 'refused']++
        }
      }
      t.diagnostic(`${count} sets of policies: ${JSON.stringify(counts)}, seed ${seed}`)
      assert.ok(counts.dropped > count / 10 && counts.refused > count / 10, 'all verdicts are common')
    },
  )
}
