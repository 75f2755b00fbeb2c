/** How long an agent takes from a file that somebody saves to the maps of the kernel that connections are led by. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { heddleCommand } from '../peers/heddle.ts'
import { MeshCgroup, tierPlaces } from '../../src/datapath/index.ts'
import { openMapById, takeInventory } from '../../src/kernel/index.ts'
import type { Bpf, TypedMap } from '../../src/kernel/index.ts'
import { output, Program } from '../processes.ts'

const slices = 1000
const waitMs = 60_000

/** An agent of the kernel tier with one Service and so many endpoints. */
export class EditedMesh implements AsyncDisposable {
  readonly #program: Program
  readonly #home: string
  readonly #socketPath: string
  readonly #endpoints: number
  #edit = 0

  private constructor(program: Program, home: string, endpoints: number) {
    this.#program = program
    this.#home = home
    this.#socketPath = join(home, 'agent.sock')
    this.#endpoints = endpoints
  }

  static async start(folder: string, endpoints: number): Promise<EditedMesh> {
    const home = join(folder, `edited-${endpoints}`)
    await mkdir(join(home, 'mesh'), { recursive: true })
    await writeFile(join(home, 'mesh', 'service.yaml'), service)
    const options = ['--tier', 'kernel', '--dns-address', 'off', '--admin-address', '127.0.0.1:0', '--workers', '1']
    const command = [heddleCommand, 'up', '-f', join(home, 'mesh'), ...options, '--service-cidr', '127.98.7.0/24']
    const program = Program.start('heddle', [...command, '--socket-path', join(home, 'agent.sock')], {
      place: 'load',
      logPath: join(home, 'output'),
    })
    return new EditedMesh(program, home, endpoints)
  }

  /** Milliseconds from the rename of the new file until connections are led by it. */
  async editMs(bpf: Bpf): Promise<number> {
    const map = await this.#services(bpf)
    try {
      const before = blocksOf(map)
      const file = join(this.#home, 'mesh', 'endpoints.yaml')
      await writeFile(`${file}~`, endpointSlices(this.#endpoints, ++this.#edit))
      const startMs = performance.now()
      await rename(`${file}~`, file)
      while (blocksOf(map) === before) {
        if (performance.now() > startMs + waitMs) throw new Error('the edit has not reached the kernel')
        await turn()
      }
      return performance.now() - startMs
    } finally {
      map[Symbol.dispose]()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]()
    await output([heddleCommand, 'cleanup', '--socket-path', this.#socketPath])
  }

  /** Waits until there is a Service in it. */
  async #services(bpf: Bpf): Promise<TypedMap<unknown, ServiceEntry>> {
    const endMs = performance.now() + waitMs
    while (performance.now() < endMs) {
      const cgroup = MeshCgroup.find(tierPlaces(this.#socketPath).cgroup)?.id
      const { links, programs, maps } = takeInventory(bpf, 'hd_')
      const link = links.find(({ cgroupId }) => cgroupId === cgroup)
      const ids = programs.find(({ id, name }) => id === link?.programId && name !== '')?.mapIds ?? []
      const id = maps.find(each => ids.includes(each.id) && each.name === 'hd_services')?.id
      const map = id === undefined ? undefined : openMapById<unknown, ServiceEntry>(bpf, id)
      if (map !== undefined && blocksOf(map) !== '') return map
      map?.[Symbol.dispose]()
      await sleep(50)
    }
    throw new Error('the agent has not come to write its maps')
  }
}

interface ServiceEntry {
  readonly block: number
}

function blocksOf(map: TypedMap<unknown, ServiceEntry>): string {
  return [...map.entries()].map(([, { block }]) => block).join()
}

const service = `apiVersion: v1
kind: Service
metadata: { name: many }
spec: { ports: [{ port: 80, appProtocol: tcp }] }
`

/** @param edit  makes one address another */
function endpointSlices(count: number, edit: number): string {
  const documents: string[] = []
  for (let from = 0; from < count; from += slices) {
    const endpoints = Array.from({ length: Math.min(slices, count - from) }, (_, index) => {
      const at = from + index
      const last = at === 0 ? 1 + (edit % 250) : at % 250
      return `  - { addresses: [10.${at === 0 ? 255 : 0}.${Math.floor(at / 250)}.${last}] }`
    })
    documents.push(`apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: many-${from}, labels: { kubernetes.io/service-name: many } }
addressType: IPv4
ports: [{ port: 9000 }]
endpoints:
${endpoints.join('\n')}
`)
  }
  return documents.join('---\n')
}
