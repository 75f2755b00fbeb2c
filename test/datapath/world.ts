import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { commandInCgroup, Datapath, MeshCgroup, removeCgroups } from '../../src/datapath/index.ts'
import type { DatapathOptions, DatapathState, Flow } from '../../src/datapath/index.ts'
import { kernelSkip } from '../../src/kernel/ebpf/testing.ts'
import { Bpf, openById, takeInventory } from '../../src/kernel/index.ts'
import type { CompiledNetworkPolicy, NetworkMember, NetworkPolicy, NetworkPolicySet } from '../../src/model/index.ts'
import { meshOf } from '../../src/datapath/testing.ts'
import type { TestService } from '../../src/datapath/testing.ts'
import { compileNetworkPolicies, emptyCompiledPolicy } from '../../src/policy/index.ts'
import { programsSkip } from '../support/programs.ts'
import { Python } from './python.ts'

/** Programs of Debian packages that these suites use: curl, iproute2, python3, util-linux. */
const programs = ['curl', 'ip', 'nsenter', 'python3', 'setpriv', 'unshare']

/** Why these suites cannot run here; false when they can. @param more  programs that one of them needs */
export function datapathSkip(...more: readonly string[]): string | false {
  return programsSkip([...programs, ...more]) || kernelSkip()
}

/** Connects so many times and prints who answered. */
export const draw = (host: string, count: number): readonly string[] => [
  'python3',
  '-c',
  `import socket
for _ in range(${count}):
  s = socket.create_connection(("${host}", 80), 5); s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); d = b""
  while c := s.recv(999): d += c
  print(d.decode().split()[-1])`,
]

type WorldOptions = Pick<DatapathOptions, 'forgetMs' | 'homeNetwork' | 'pinFolder'>

/** Two workloads, `shop/client` and `shop/other`, in cgroups of the test's own, and programs that are attached there. */
export class World {
  readonly cgroup: MeshCgroup
  /** What was asked for. */
  readonly flows: Flow[] = []
  /** Of connections. */
  readonly ends: Flow[] = []
  datapath: Datapath
  readonly bpf: Bpf
  #compiled = emptyCompiledPolicy
  #state: DatapathState | undefined
  readonly #programs: Python[] = []
  readonly #options: WorldOptions

  constructor(t: TestContext, options: WorldOptions = {}) {
    this.#options = options
    this.bpf = new Bpf({ traceOpens: true })
    this.cgroup = MeshCgroup.open(`heddle-test-${process.pid}-${Math.random().toString(36).slice(2, 8)}`)
    for (const { key } of members) this.cgroup.enter(key)
    this.datapath = this.#open()
    let ids: readonly KernelId[] = []
    t.after(async () => {
      await Promise.all(this.#programs.map(program => program.end()))
      this.datapath[Symbol.dispose]()
      const left = this.bpf.openDescriptors()
      try {
        await t.waitFor(() => assert.deepEqual(removeCgroups(this.cgroup.folder), []), { timeout: 5000 })
        assert.deepEqual(left, [], 'descriptors left open')
        // The kernel frees in the background; without pins nothing stays.
        await t.waitFor(
          () =>
            assert.deepEqual(
              ids.filter(id => isThere(this.bpf, id)),
              [],
            ),
          { timeout: 5000 },
        )
      } finally {
        this.bpf[Symbol.dispose]()
      }
    })
    this.update([])
    this.datapath.attach()
    ids = idsOf(this.bpf, this.cgroup.id)
    assert.equal(ids.filter(([kind]) => kind === 'link').length, 13)
  }

  #open(when: { readonly isLate?: boolean } = {}): Datapath {
    const options: DatapathOptions = {
      cgroup: this.cgroup,
      agentCgroup: this.cgroup.agentId,
      ...this.#options,
      onFlow: flow => (flow.kind === 'begin' ? this.flows : this.ends).push(flow),
    }
    try {
      return Datapath.open(this.bpf, options, when)
    } catch (error) {
      removeCgroups(this.cgroup.folder)
      this.bpf[Symbol.dispose]()
      throw error
    }
  }

  update(services: readonly TestService[], policies: readonly NetworkPolicy[] = []): void {
    this.#compiled = compileNetworkPolicies(policySet(policies), this.#compiled)
    const state: DatapathState = {
      ...meshOf(services),
      policies: this.#compiled,
      members,
      nodeSockets: [],
      names: { open: undefined, led: [] },
    }
    this.#state = state
    this.datapath.update(state)
  }

  /** Other workloads, each with its cgroup, and what policies say of them; no Services. */
  police(all: readonly NetworkMember[], policies: CompiledNetworkPolicy): void {
    for (const { key } of all) this.cgroup.enter(key)
    const names = { open: undefined, led: [] }
    this.#state = { ...meshOf([]), policies, members: all, nodeSockets: [], names }
    this.datapath.update(this.#state)
  }

  /** The next agent is there, and has loaded no program if it need not. @returns the one before, the caller's */
  openNext(): Datapath {
    const before = this.datapath
    this.datapath = this.#open({ isLate: true })
    return before
  }

  /** The programs of the next agent take over, as when this one was killed. */
  succeed(): void {
    const before = this.datapath
    this.datapath = this.#open()
    if (this.#state !== undefined) this.datapath.update(this.#state)
    this.datapath.attach()
    before[Symbol.dispose]()
  }

  /** A program in the cgroup of a workload, of the agent, or of nobody. */
  python(who: 'shop/client' | 'shop/other' | 'agent' | 'outside'): Python {
    const folder = who === 'agent' ? this.cgroup.agentFolder : who === 'outside' ? undefined : this.cgroup.enter(who)
    return this.own(new Python(folder === undefined ? {} : { cgroup: folder }))
  }

  /** Ended before the cgroups are removed. */
  own(program: Python): Python {
    this.#programs.push(program)
    return program
  }

  /** In the cgroup of a workload. */
  async run(command: readonly string[], workload = 'shop/client'): ReturnType<typeof runIn> {
    return await runIn(this.cgroup.enter(workload), command)
  }
}

/** What a program in a cgroup printed, or its error, and its exit code. */
export async function runIn(
  folder: string,
  command: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const [program, ...args] = commandInCgroup(folder, command)
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close') as Promise<[number | null]>
  const [out, error] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await ended
  return { code, output: (out + error).trim() }
}

export const members: readonly NetworkMember[] = [
  { key: 'shop/client', identity: 16, address: Uint8Array.of(127, 0, 0, 1), ports: [] },
  { key: 'shop/other', identity: 17, address: Uint8Array.of(127, 0, 0, 1), ports: [] },
]

/** A policy for `shop/client`. */
export function closed(key: string, egress: NetworkPolicy['egress']): NetworkPolicy {
  return { key, subjects: [16], ingress: undefined, egress, isStandIn: false }
}

function policySet(policies: readonly NetworkPolicy[]): NetworkPolicySet {
  const identities = members.map(({ key, identity }) => {
    return [identity, { id: identity, name: key, key, namespace: 'shop', service: '', labels: {}, ports: [] }] as const
  })
  return { identities: new Map(identities), members, policies }
}

export type KernelId = readonly ['link' | 'program' | 'map', number]

/** Everything in the kernel that belongs to a cgroup: links, their programs, and the maps of those. */
export function idsOf(bpf: Bpf, cgroup: bigint): readonly KernelId[] {
  const { links, programs } = takeInventory(bpf, 'hd_')
  const mine = links.filter(({ cgroupId }) => cgroupId === cgroup)
  const run = programs.filter(({ id }) => mine.some(({ programId }) => programId === id))
  const maps = new Set(run.flatMap(({ mapIds }) => mapIds))
  return [
    ...mine.map(({ id }) => ['link', id] as const),
    ...run.map(({ id }) => ['program', id] as const),
    ...[...maps].map(id => ['map', id] as const),
  ]
}

export function isThere(bpf: Bpf, [kind, id]: KernelId): boolean {
  using object = openById(bpf, kind, id)
  return object !== undefined
}

/** Servers that tell which of them answered: HTTP by TCP, the name alone by UDP. */
export async function serve(
  t: TestContext,
  name: string,
  { address = '127.0.0.1', protocol = 'tcp' }: { readonly address?: string; readonly protocol?: 'tcp' | 'udp' } = {},
): Promise<{ address: string; port: number }> {
  if (protocol === 'udp') {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    socket.on('message', (_, from) => socket.send(name, from.port, from.address))
    socket.bind(0, address)
    await once(socket, 'listening')
    t.after(() => socket.close())
    return { address, port: socket.address().port }
  }
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () =>
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\nConnection: close\r\n\r\n${name}`),
    )
  })
  server.listen(0, address)
  await once(server, 'listening')
  t.after(() => server.close())
  return { address, port: (server.address() as AddressInfo).port }
}
