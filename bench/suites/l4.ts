/** The kernel tier: what connect() costs, what a Service of TCP takes, and how fast changes are in force. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../src/core/index.ts'
import { commandInCgroup, Datapath, MeshCgroup, removeCgroups, tryPrograms } from '../../src/datapath/index.ts'
import type { DatapathState } from '../../src/datapath/index.ts'
import { meshOf } from '../../src/datapath/testing.ts'
import { Bpf } from '../../src/kernel/index.ts'
import type { NetworkMember, NetworkPolicy } from '../../src/model/index.ts'
import { compileNetworkPolicies, emptyCompiledPolicy } from '../../src/policy/index.ts'
import { connectUs, sinkProgram, streamMb } from '../load/connects.ts'
import type { Target } from '../load/connects.ts'
import { EditedMesh } from '../load/edited-file.ts'
import { RestartedAgent } from '../load/restarted-agent.ts'
import { freePorts, pinned, Program } from '../processes.ts'
import type { Metric, Sample } from '../result.ts'
import { rotated } from './suite.ts'
import type { Suite, SuiteOptions } from './suite.ts'

const virtual = '127.98.0.1'
const many = 10_000

export const l4: Suite = {
  name: 'l4',
  limits: [
    'a connection is socket(), connect() and close() of a thread, in which the kernel does both ends on loopback, too',
    'events of flows are written for every connection, and read by this process',
    'one connection carries the bytes, from a core that it shares with whoever takes them',
    'an edit replaces a file; one endpoint of it is another; of 10,000 endpoints the file is 0.4 MB of YAML',
    'the agent that is killed and started again has one route; whoever starts it does so at once',
  ],
  async run(options) {
    const why = whyNot()
    if (why !== undefined) {
      options.note(`l4 is left out: ${why}`)
      return []
    }
    const samples: Sample[] = []
    using bpf = new Bpf()
    const scene = await Scene.open(bpf, options)
    try {
      await measure(options, scene, samples)
      mapRates(options, scene, samples)
    } finally {
      await scene.close()
    }
    await edits(bpf, options, samples)
    await restarts(options, samples)
    return samples
  },
}

/** Why the kernel tier cannot run here. */
function whyNot(): string | undefined {
  try {
    using bpf = new Bpf()
    tryPrograms(bpf)
    return undefined
  } catch (error) {
    return `${messageOf(error)} (heddle doctor says more)`
  }
}

const members: readonly NetworkMember[] = [
  { key: 'bench/client', identity: 16, address: Uint8Array.of(127, 0, 0, 1), ports: [] },
]

/** Lets the client go to the loopback network, by a rule among others. */
const policies: readonly NetworkPolicy[] = [
  {
    key: 'bench/egress',
    subjects: [16],
    ingress: undefined,
    egress: [
      {
        peers: [{ kind: 'block', block: { bytes: Uint8Array.of(10, 0, 0, 0), prefixLength: 8 }, except: [] }],
        ports: undefined,
      },
      {
        peers: [{ kind: 'block', block: { bytes: Uint8Array.of(127, 0, 0, 0), prefixLength: 8 }, except: [] }],
        ports: [{ kind: 'range', protocol: 'TCP', from: 1, to: 65_535 }],
      },
    ],
    isStandIn: false,
  },
]

/** A sink, haproxy before it, and a member of the mesh whose Service it is. */
class Scene {
  readonly datapath: Datapath
  readonly #cgroup: MeshCgroup
  readonly #programs: readonly Program[]
  readonly #sinkPort: number
  readonly #haproxyPort: number

  private constructor(bpf: Bpf, programs: readonly Program[], ports: { sink: number; haproxy: number }) {
    this.#programs = programs
    this.#sinkPort = ports.sink
    this.#haproxyPort = ports.haproxy
    this.#cgroup = MeshCgroup.open(`heddle-bench-${process.pid}`)
    this.#cgroup.enter('bench/client')
    this.datapath = Datapath.open(bpf, { cgroup: this.#cgroup, onFlow: () => {} })
    this.update([])
    this.datapath.attach()
  }

  static async open(bpf: Bpf, { folder }: SuiteOptions): Promise<Scene> {
    const [sink = 0, haproxy = 0] = await freePorts(2)
    const configuration = join(folder, 'l4-haproxy.cfg')
    await writeFile(
      configuration,
      `global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen l4
  bind 127.0.0.1:${haproxy} backlog 4096
  server sink 127.0.0.1:${sink}
`,
    )
    const start = (name: string, command: readonly string[], place: 'proxy' | 'load'): Program =>
      Program.start(name, command, { place, logPath: join(folder, `l4-${name}.log`) })
    const programs = [
      start('sink', ['python3', '-c', sinkProgram, `${sink}`], 'load'),
      start('haproxy', ['haproxy', '-db', '-f', configuration], 'proxy'),
    ]
    return new Scene(bpf, programs, { sink, haproxy })
  }

  update(inForce: readonly NetworkPolicy[], endpoints: readonly { address: string; port: number }[] = []): void {
    const identities = new Map([
      [16, { id: 16, name: 'client', key: 'client', namespace: 'bench', service: '', labels: {}, ports: [] }],
    ])
    const compiled = compileNetworkPolicies({ identities, members, policies: inForce }, emptyCompiledPolicy)
    const sink = { address: '127.0.0.1', port: this.#sinkPort }
    const services = meshOf([
      { name: 'sink', addresses: [virtual], port: 80, endpoints: [sink] },
      { name: 'many', addresses: [virtual], port: 81, endpoints },
    ])
    const state: DatapathState = {
      ...services,
      policies: compiled,
      members,
      nodeSockets: [],
      names: { open: undefined, led: [] },
    }
    this.datapath.update(state)
  }

  /** From outside of the mesh, or from within. */
  target(name: 'plain' | 'haproxy' | 'heddle'): Target {
    const outside = (command: readonly string[]): readonly string[] => pinned('load', command)
    if (name === 'plain') return { host: '127.0.0.1', port: this.#sinkPort, within: outside }
    if (name === 'haproxy') return { host: '127.0.0.1', port: this.#haproxyPort, within: outside }
    const folder = this.#cgroup.enter('bench/client')
    return { host: virtual, port: 80, within: command => commandInCgroup(folder, pinned('load', command)) }
  }

  async close(): Promise<void> {
    for (const program of this.#programs) await program[Symbol.asyncDispose]()
    this.datapath[Symbol.dispose]()
    removeCgroups(this.#cgroup.folder)
  }
}

type Name = Parameters<Scene['target']>[0]

interface Case {
  readonly name: string
  readonly metric: Metric
  readonly policies: readonly NetworkPolicy[]
  readonly contestants: readonly Name[]
  readonly run: (target: Target, seconds: number) => Promise<number>
}

const cases: readonly Case[] = [
  {
    name: 'connect, balanced',
    metric: 'connect',
    policies: [],
    contestants: ['heddle', 'plain', 'haproxy'],
    run: connectUs,
  },
  {
    name: 'connect, balanced and policed',
    metric: 'connect',
    policies,
    contestants: ['heddle', 'plain'],
    run: connectUs,
  },
  { name: 'bytes, policed', metric: 'stream', policies, contestants: ['heddle', 'plain', 'haproxy'], run: streamMb },
]

async function measure(
  { only, rounds, seconds, signal, progress }: SuiteOptions,
  scene: Scene,
  samples: Sample[],
): Promise<void> {
  for (const { name, metric, policies: inForce, contestants, run } of cases) {
    if (!name.includes(only)) continue
    scene.update(inForce)
    for (let round = 0; round < rounds; round += 1) {
      for (const contestant of rotated(contestants, round)) {
        signal.throwIfAborted()
        progress(`l4, ${name}: round ${round + 1} of ${rounds}, ${contestant}`)
        samples.push({ case: name, metric, contestant, round, value: await run(scene.target(contestant), seconds) })
      }
    }
  }
}

/** Endpoints of one Service that are written in a second, all of them new. */
function mapRates({ only, rounds }: SuiteOptions, scene: Scene, samples: Sample[]): void {
  const name = `${many} endpoints to the maps`
  if (!name.includes(only)) return
  for (let round = 0; round < rounds; round += 1) {
    const endpoints = Array.from({ length: many }, (_, at) => ({
      address: `10.${round}.${at >> 8}.${at & 255}`,
      port: 80,
    }))
    const startMs = performance.now()
    scene.update([], endpoints)
    const value = many / ((performance.now() - startMs) / 1000)
    samples.push({ case: name, metric: 'entries', contestant: 'heddle', round, value })
  }
}

async function edits(bpf: Bpf, { only, rounds, folder, progress }: SuiteOptions, samples: Sample[]): Promise<void> {
  for (const count of [1, many]) {
    const name = `edited file to the kernel, ${count} endpoint${count === 1 ? '' : 's'}`
    if (!name.includes(only)) continue
    await using mesh = await EditedMesh.start(folder, count)
    // The file is new.
    await mesh.editMs(bpf)
    for (let round = 0; round < rounds; round += 1) {
      progress(`l4, ${name}: round ${round + 1} of ${rounds}`)
      samples.push({ case: name, metric: 'change', contestant: 'heddle', round, value: await mesh.editMs(bpf) })
    }
  }
}

async function restarts({ only, rounds, folder, progress }: SuiteOptions, samples: Sample[]): Promise<void> {
  const name = 'killed and started again, until a waiting request is answered'
  if (!name.includes(only)) return
  await using agent = await RestartedAgent.start(folder)
  for (let round = 0; round < rounds; round += 1) {
    progress(`l4, ${name}: round ${round + 1} of ${rounds}`)
    samples.push({ case: name, metric: 'change', contestant: 'heddle', round, value: await agent.gapMs() })
  }
}
