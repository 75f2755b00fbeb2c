import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { formatIpAddress } from '../../src/codec/index.ts'
import { ipProtocols } from '../../src/model/index.ts'
import type { CompiledNetworkPolicy, NetworkPolicySet } from '../../src/model/index.ts'
import { evaluateNetworkPolicy, findPlace } from '../../src/policy/index.ts'
import type { NetworkProbe } from '../../src/policy/index.ts'
import { testReconciler } from '../../src/sources/reconcile/testing.ts'
import { RandomWorld } from '../policy/random-world.ts'
import { compileWorld, probeOf } from '../policy/world.ts'
import { datapathSkip, World } from './world.ts'

const skip = datapathSkip()
const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? randomInt(2 ** 31))
const worlds = 1000
const probesPerWorld = 20

/**
 * Prints the cookie of its network namespace, goes to the cgroup of each line, connects a socket and prints the errno. It is alone in its network, so that what is
 * allowed leads nowhere (ENETUNREACH) and disturbs nobody.
 */
const prober = `
import socket, sys
SO_NETNS_COOKIE = 71
with socket.socket() as s: print(int.from_bytes(s.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), sys.byteorder), flush=True)
for line in sys.stdin:
  folder, protocol, address, port = line.split()
  with open(folder + "/cgroup.procs", "w") as f: f.write("0")
  family = socket.AF_INET6 if ":" in address else socket.AF_INET
  kind = socket.SOCK_STREAM if protocol == "6" else socket.SOCK_DGRAM
  with socket.socket(family, kind) as s:
    s.setblocking(False)
    try: s.connect((address, int(port))); print(0, flush=True)
    except OSError as e: print(e.errno, flush=True)
`

const eperm = '1'

class Prober {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string, undefined>

  constructor(t: TestContext) {
    this.#child = spawn('unshare', ['--net', 'python3', '-c', prober], { stdio: 'pipe' })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
    t.after(() => this.end())
  }

  /** The first that it says. */
  async network(): Promise<bigint> {
    return BigInt(await this.#line())
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    assert.ok(done !== true, 'the prober goes on')
    return value
  }

  async ask(lines: readonly string[]): Promise<readonly boolean[]> {
    this.#child.stdin.write(lines.map(line => `${line}\n`).join(''))
    const answers: boolean[] = []
    while (answers.length < lines.length) answers.push((await this.#line()) !== eperm)
    return answers
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.stdin.end()
    await ended
  }
}

/** As the kernel sees it: whoever is at the address, not whom the dice meant. */
function seen(compiled: CompiledNetworkPolicy, { from, to, protocol, port }: NetworkProbe): NetworkProbe {
  const { address } = to
  const place = address === undefined ? undefined : findPlace(compiled.places, address, protocol, port)
  return { from, protocol, port, to: { identity: place?.identity ?? 0, member: place?.member ?? '', address } }
}

function probes(
  dice: RandomWorld,
  of: { set: NetworkPolicySet; compiled: CompiledNetworkPolicy; world: ReturnType<RandomWorld['world']> },
): readonly NetworkProbe[] {
  const found: NetworkProbe[] = []
  while (found.length < probesPerWorld) {
    const probe = seen(of.compiled, probeOf(of.set, dice.probe(of.world)))
    // Sockets of other protocols have other ways, and strangers are in no cgroup.
    if (probe.from.member !== '' && probe.protocol !== ipProtocols.SCTP) found.push(probe)
  }
  return found
}

test(
  `sockets are let through and refused as the evaluation says (seed ${seed})`,
  { skip, timeout: 60_000 },
  async t => {
    // First, so that it ends before its cgroups are removed.
    const prober = new Prober(t)
    // The prober's network is the node's.
    const kernel = new World(t, { homeNetwork: await prober.network() })
    const dice = new RandomWorld(seed)
    const reconciler = testReconciler()
    let before: CompiledNetworkPolicy | undefined
    const counts = { allowed: 0, denied: 0 }
    for (let at = 0; at < worlds; at++) {
      const world = dice.world()
      const { set, compiled } = compileWorld(reconciler, world, before)
      before = compiled
      kernel.police(set.members, compiled)
      const asked = probes(dice, { set, compiled, world })
      const answers = await prober.ask(
        asked.map(({ from, to, protocol, port }) => {
          const address = to.address === undefined ? '' : formatIpAddress(to.address)
          return `${kernel.cgroup.enter(from.member)} ${protocol} ${address} ${port}`
        }),
      )
      for (const [index, probe] of asked.entries()) {
        const { isAllowed } = evaluateNetworkPolicy(compiled, probe)
        assert.equal(answers[index], isAllowed, `seed ${seed}: ${JSON.stringify({ world, probe })}`)
        counts[isAllowed ? 'allowed' : 'denied']++
      }
    }
    await prober.end()
    t.diagnostic(`${worlds} sets of policies, ${counts.allowed} allowed, ${counts.denied} denied, seed ${seed}`)
    assert.ok(Math.min(counts.allowed, counts.denied) > (worlds * probesPerWorld) / 10, 'both verdicts are common')
  },
)
