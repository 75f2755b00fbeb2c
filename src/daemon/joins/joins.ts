import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { MeshError, messageOf } from '../../core/index.ts'
import type { Logger } from '../../core/index.ts'
import { findJoined, findLeft, moveProcess } from '../../datapath/index.ts'
import type { JoinedCgroup } from '../../datapath/index.ts'
import type { Tier } from '../tier.ts'
import { parseRunRequest, resourceOf } from '../workload-leases.ts'
import type { DocumentSink, RunRequest } from '../workload-leases.ts'
import { findTarget, isPopulated, listeningPorts, processesIn } from './join-target.ts'

/** What is kept of a join, for the agents to come. */
interface JoinRecord {
  readonly request: RunRequest
  /** Of the programs. */
  readonly folder: string
  /** Where moved processes came from, and go back to; undefined for a cgroup that has joined as it is. */
  readonly from: string | undefined
  /** Whether sockets that moved processes brought with them are judged, too. */
  readonly hasAdopted?: boolean
}

/** What `heddle join` is told. */
export interface JoinAnswer {
  /** `namespace/name` */
  readonly workload: string
  readonly port: number
  readonly cgroup: string
  readonly pids: readonly number[]
  /** Sockets that were made before and are judged all the same. */
  readonly adopted: number
  /** Ports of sockets that stay outside; connections to them are judged where they begin. */
  readonly outside: readonly number[]
  /** Why they stay outside. */
  readonly reason?: string
}

export interface JoinsOptions {
  /** Where joins are kept. */
  readonly file: string
  readonly logger: Logger
  readonly tier: Pick<Tier, 'adopt' | 'cgroupOf' | 'enforcement' | 'meshFolder'>
  /** Who is in the mesh has changed: the tier is brought up to date before this returns. */
  readonly onChange: () => void
  /**
   * Where a process is reached that does not say so; undefined where nobody knows.
   * @default 127.0.0.1
   */
  readonly addressOf?: (pid: number) => string | undefined
  /** Why a workload that runs in another network namespace reaches no Services. @default it does */
  readonly networkProblem?: (workload: string) => string | undefined
}

/**
 * Programs that came into the mesh while they ran. They stay until they leave or end; a service of the system that is
 * started again has another cgroup at the same place, and is taken in again.
 */
export class Joins {
  readonly #options: JoinsOptions
  readonly #records = new Map<string, JoinRecord>()
  /** Those whose cgroup has processes in it, with its id. */
  #present = new Map<string, JoinedCgroup>()
  #sink: DocumentSink | undefined
  /** Processes that have just been moved, by workload. */
  readonly #moved = new Map<string, readonly number[]>()

  constructor(options: JoinsOptions) {
    this.#options = options
    for (const record of read(options.file, options.logger)) this.#records.set(keyOf(record.request), record)
    this.#look()
  }

  /** Cgroups that are not below the mesh's. */
  get current(): readonly JoinedCgroup[] {
    const whole = [...this.#present.values()].filter(({ workload }) => this.#records.get(workload)?.from === undefined)
    const left = [...this.#present.keys()].flatMap(key => {
      const { from, hasAdopted = false } = this.#records.get(key) ?? {}
      return from === undefined || !hasAdopted ? [] : (findLeft(from, key) ?? [])
    })
    return [...whole, ...left]
  }

  /** Their workloads are known from here on. */
  open(sink: DocumentSink): void {
    this.#sink = sink
    for (const key of this.#records.keys()) if (this.#present.has(key)) this.#put(key)
  }

  /** @throws MeshError MESH_JOIN */
  join(body: unknown): JoinAnswer {
    const fields = typeof body === 'object' && body !== null ? body : {}
    const { tier } = this.#options
    const mesh = tier.meshFolder
    if (mesh === undefined) throw refused('programs join with the kernel tier only: heddle up --tier kernel')
    const text = 'target' in fields && typeof fields.target === 'string' ? fields.target : ''
    const target = findTarget(text, mesh)
    if (target.kind === 'wrong') throw refused(target.message)
    const ports = listeningPorts(target.pids)
    const hasOwn = (name: string): boolean => (fields as Record<string, unknown>)[name] !== undefined
    const port = hasOwn('port') ? {} : { port: portOf(ports) }
    const address = hasOwn('address') ? {} : { address: this.#addressOf(target.pids) }
    const parsed = parseRunRequest({ ...fields, ...port, ...address })
    if (parsed.kind === 'invalid') throw refused(parsed.message)
    const { request } = parsed
    const key = keyOf(request)
    if (this.#records.has(key)) throw refused(`workload ${key} has joined already: heddle leave ${key}`)
    const folder = target.kind === 'cgroup' ? target.folder : (tier.cgroupOf(key) ?? '')
    this.#records.set(key, { request, folder, from: target.kind === 'cgroup' ? undefined : target.from })
    // First: a process in the cgroup of a workload that nobody knows is refused everything.
    this.#put(key)
    try {
      const brought = target.kind === 'cgroup' ? { adopted: 0 } : this.#move(key, target.pids)
      this.#save()
      this.#look()
      this.#options.onChange()
      const { isActive, reason } = tier.enforcement
      if (!isActive) throw refused(`${key} could not join: ${reason}`)
      const problem = this.#options.networkProblem?.(key)
      if (problem !== undefined) throw refused(`${key} could not join: ${problem}`)
      const outside = brought.reason === undefined ? [] : ports
      return { workload: key, port: request.port, cgroup: folder, pids: target.pids, outside, ...brought }
    } catch (error) {
      // As it was before, and the tier is up to date again.
      this.leave(key)
      throw error
    }
  }

  #addressOf([pid]: readonly number[]): string {
    const { addressOf } = this.#options
    const address = pid === undefined || addressOf === undefined ? '127.0.0.1' : addressOf(pid)
    if (address !== undefined) return address
    throw refused('its network namespace has no address besides loopback: say with --address where it is reached')
  }

  /** With their sockets, where these can be had. @throws MeshError MESH_KERNEL_SYSCALL */
  #move(key: string, pids: readonly number[]): { readonly adopted: number; readonly reason?: string } {
    const record = this.#records.get(key)
    if (record === undefined) return { adopted: 0 }
    for (const pid of pids) moveProcess(pid, record.folder)
    this.#moved.set(key, pids)
    try {
      // Those that are made from now on are made in the mesh.
      const adopted = pids.reduce((sum, pid) => sum + this.#options.tier.adopt(pid, key), 0)
      this.#records.set(key, { ...record, hasAdopted: adopted > 0 })
      return { adopted }
    } catch (error) {
      return { adopted: 0, reason: messageOf(error) }
    }
  }

  /** Once more: connections that waited to be accepted belong to nobody until they are. */
  #adoptLate(): void {
    for (const [key, pids] of this.#moved) {
      this.#moved.delete(key)
      if (this.#records.get(key)?.hasAdopted !== true) continue
      try {
        for (const pid of pids) this.#options.tier.adopt(pid, key)
      } catch (error) {
        this.#options.logger.warn('sockets of a program that has joined could not be looked at', {
          workload: key,
          error: messageOf(error),
        })
      }
    }
  }

  /** @param key  `namespace/name` @throws MeshError MESH_JOIN */
  leave(key: string): void {
    const record = this.#records.get(key)
    if (record === undefined) {
      const known = [...this.#records.keys()].join(', ')
      throw refused(`no workload ${key} has joined; ${known === '' ? 'none has' : `those that have: ${known}`}`)
    }
    if (record.from !== undefined) for (const pid of processesIn(record.folder)) moveBack(pid, record.from)
    this.#forget(key)
    this.#options.onChange()
  }

  /** Called now and then: looks who has come and gone. */
  check(): void {
    const before = this.#present
    this.#adoptLate()
    this.#look()
    const keys = new Set([...before.keys(), ...this.#present.keys()])
    const changed = [...keys].filter(key => before.get(key)?.id !== this.#present.get(key)?.id)
    for (const key of changed) {
      const record = this.#records.get(key)
      if (record === undefined) continue
      const isThere = this.#present.has(key)
      this.#options.logger.info(isThere ? 'a program that has joined is back' : 'a program that has joined has ended', {
        workload: key,
        cgroup: record.folder,
      })
      if (isThere) this.#put(key)
      else if (record.from !== undefined) this.#forget(key)
      else this.#sink?.remove(nameOf(key))
    }
    if (changed.length > 0) this.#options.onChange()
  }

  #look(): void {
    const present = new Map<string, JoinedCgroup>()
    for (const [key, { folder }] of this.#records) {
      const joined = isPopulated(folder) ? findJoined(folder, key) : undefined
      if (joined !== undefined) present.set(key, joined)
    }
    this.#present = present
  }

  #put(key: string): void {
    const request = this.#records.get(key)?.request
    if (request !== undefined) this.#sink?.put(nameOf(key), JSON.stringify(resourceOf(request)))
  }

  #forget(key: string): void {
    this.#records.delete(key)
    this.#present.delete(key)
    this.#moved.delete(key)
    this.#save()
    this.#sink?.remove(nameOf(key))
  }

  #save(): void {
    const { file } = this.#options
    if (this.#records.size === 0) {
      rmSync(file, { force: true })
      return
    }
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(`${file}~`, JSON.stringify([...this.#records.values()]), { mode: 0o600 })
    renameSync(`${file}~`, file)
  }
}

/** Under which the workload's problems are reported. */
function nameOf(key: string): string {
  return `heddle join ${key}`
}

function keyOf({ namespace, name }: Pick<RunRequest, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`
}

function portOf(ports: readonly number[]): number {
  const [only] = ports
  if (only !== undefined && ports.length === 1) return only
  const found = ports.length === 0 ? 'it listens at no port' : `it listens at ${ports.join(', ')}`
  throw refused(`${found}: say which with --port`)
}

/** One that has ended meanwhile need not go anywhere; where its cgroup is gone, the root is left. */
function moveBack(pid: number, folder: string): void {
  for (const place of [folder, folder.slice(0, folder.lastIndexOf('/'))]) {
    try {
      moveProcess(pid, place)
      return
    } catch {
      // The next place.
    }
  }
}

/** One that cannot be read is told, and is no reason not to start: what it named is refused until it joins again. */
function read(file: string, logger: Logger): readonly JoinRecord[] {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as readonly JoinRecord[]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      logger.error('who has joined could not be read', { file, error: messageOf(error) })
    }
    return []
  }
}

function refused(message: string): MeshError {
  return new MeshError('MESH_JOIN', message, { source: 'config' })
}
