import { closeSync, existsSync } from 'node:fs'
import type { Clock } from '../../core/index.ts'
import { KeeperClient, ProcessWatch } from '../../kernel/index.ts'
import { keeperPath } from '../handover/agent-keeper.ts'
import { signalGroup } from './program.ts'
import { recordOf } from './program-record.ts'
import type { ProgramRecord } from './program-record.ts'

/** What a keeper held that has been ended. */
export interface EndedKeeper {
  /** Its own process. */
  readonly pid: number
  readonly sockets: number
  readonly programs: readonly ProgramRecord[]
  /** What is still there, `process 17 of shop/web-0`. */
  readonly left: readonly string[]
}

/** Between SIGTERM and SIGKILL, as for programs of an agent that runs. */
const stopMs = 10_000
const lookMs = 20

/**
 * Ends what an agent that is gone has left with its keeper: programs of Workloads, gently, then the keeper itself.
 * Connections that wait in its sockets are reset: no agent will come.
 *
 * @returns undefined when there is no keeper
 * @throws MeshError MESH_KEEPER when an agent leads it, MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL
 */
export async function endKept(socketPath: string, clock: Clock): Promise<EndedKeeper | undefined> {
  const path = keeperPath(socketPath)
  if (!existsSync(path)) return undefined
  using client = KeeperClient.connect(path)
  if (client === undefined) return undefined
  const { pid } = client.lead()
  const kept = client.takeAll()
  using watch = new ProcessWatch()
  try {
    const programs = kept.flatMap(({ name, fd }) => {
      const record = recordOf(name)
      return record === undefined || watch.hasEnded(fd) ? [] : [{ record, fd }]
    })
    const alive = (): typeof programs => programs.filter(({ fd }) => !watch.hasEnded(fd))
    await end(alive, clock)
    client.end()
    using own = openProcess(watch, pid)
    await until(() => own === undefined || watch.hasEnded(own.fd), clock, stopMs)
    const left = alive().map(({ record }) => `process ${record.pid} of ${record.workload}`)
    const isThere = own !== undefined && !watch.hasEnded(own.fd)
    return {
      pid,
      sockets: kept.filter(({ kind }) => kind === 'socket').length,
      programs: programs.map(({ record }) => record),
      left: isThere ? [...left, `keeper ${pid}`] : left,
    }
  } finally {
    for (const { fd } of kept) closeSync(fd)
  }
}

async function end(alive: () => readonly { readonly record: ProgramRecord }[], clock: Clock): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const { record } of alive()) signalGroup(record.pid, signal)
    await until(() => alive().length === 0, clock, stopMs)
  }
}

async function until(isSo: () => boolean, clock: Clock, mostMs: number): Promise<void> {
  const endMs = clock.nowMs() + mostMs
  while (!isSo() && clock.nowMs() < endMs) await new Promise<void>(resolve => clock.after(lookMs, resolve))
}

/** @returns undefined when it has ended */
function openProcess(watch: ProcessWatch, pid: number): ({ readonly fd: number } & Disposable) | undefined {
  try {
    const fd = watch.open(pid)
    return { fd, [Symbol.dispose]: () => watch.close(fd) }
  } catch {
    return undefined
  }
}
