import { rmdirSync } from 'node:fs'
import type { Clock } from '../core/index.ts'
import { isBpffs, Link, listPins, openById, openMapById, takeInventory, unpin } from '../kernel/index.ts'
import type { Bpf } from '../kernel/index.ts'
import { isAgentFolder, MeshCgroup, removeCgroups } from './mesh-cgroup.ts'
import type { BusyCgroup } from './mesh-cgroup.ts'
import type { TierPlaces } from './places.ts'

/** What was there, and what still is. */
export interface CleanupReport {
  readonly links: number
  readonly programs: number
  readonly maps: number
  /** What is still in the kernel, `program 17`; something else holds it. */
  readonly left: readonly string[]
  /** Cgroups with processes in them; they are led and judged no more. */
  readonly busy: readonly BusyCgroup[]
  /** Pins and folders that could not be removed, and why. */
  readonly problems: readonly string[]
}

interface Found {
  readonly links: ReadonlySet<number>
  readonly programs: ReadonlySet<number>
  readonly maps: ReadonlySet<number>
}

/** The kernel frees in the background. */
const freeMs = 5_000
const lookAgainMs = 20

/**
 * Takes away everything that an agent left in the kernel: programs stop at once, also for processes that run on. Then
 * it looks whether all of it is gone.
 *
 * Needs CAP_SYS_ADMIN.
 *
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export async function cleanUp(bpf: Bpf, places: TierPlaces, clock: Clock): Promise<CleanupReport> {
  const cgroup = MeshCgroup.find(places.cgroup)
  const own = findAll(bpf, places.pins, cgroup?.id ?? 0n)
  const path = emptyLeftSockets(bpf)
  const found = {
    links: own.links,
    programs: own.programs.union(path.programs),
    maps: own.maps.union(path.maps),
  }
  for (const id of found.links) detach(bpf, id)
  const problems = removePins(bpf, places)
  const endMs = clock.nowMs() + freeMs
  let busy = cgroup === undefined ? [] : removeCgroups(cgroup.folder)
  let left = stillThere(bpf, found)
  // What is left of the agent itself ends its programs, and then ends too.
  while ((left.length > 0 || busy.some(({ folder }) => isAgentFolder(folder))) && clock.nowMs() < endMs) {
    await new Promise<void>(resolve => clock.after(lookAgainMs, resolve))
    left = stillThere(bpf, found)
    if (cgroup !== undefined) busy = removeCgroups(cgroup.folder)
  }
  const { links, programs, maps } = found
  return { links: links.size, programs: programs.size, maps: maps.size, left, busy, problems }
}

/** Links that are pinned there or lead to that cgroup, pinned or not, with all that hangs on them. */
function findAll(bpf: Bpf, pins: string, cgroup: bigint): Found {
  const pinned = new Set(isBpffs(pins) ? listPins(bpf, pins).map(({ id }) => id) : [])
  const inventory = takeInventory(bpf, 'hd_')
  const links = inventory.links.filter(({ id, cgroupId }) => pinned.has(id) || (cgroup !== 0n && cgroupId === cgroup))
  const programIds = new Set(links.map(({ programId }) => programId))
  const programs = inventory.programs.filter(({ id }) => programIds.has(id))
  return {
    links: new Set(links.map(({ id }) => id)),
    programs: programIds,
    maps: new Set(programs.flatMap(({ mapIds }) => mapIds)),
  }
}

/**
 * What an agent that was killed left of the HTTP path, whose programs are attached nowhere any more: a socket in a map of
 * sockets keeps its program, and that one the map, for as long as whoever opened the socket keeps it, dead as it is.
 */
function emptyLeftSockets(bpf: Bpf): Found {
  const { links, programs, maps } = takeInventory(bpf, 'kh_')
  const attached = new Set(links.map(({ programId }) => programId))
  const used = new Set(programs.filter(({ id }) => attached.has(id)).flatMap(({ mapIds }) => mapIds))
  const left = { links: new Set<number>(), programs: new Set<number>(), maps: new Set<number>() }
  for (const { id: sockets } of maps.filter(({ id, kind }) => kind === 'sockhash' && !used.has(id))) {
    using map = openMapById<Uint8Array, never>(bpf, sockets)
    const cookies = [...(map?.raw.keys() ?? [])]
    // One that is empty may belong to an agent that is just starting.
    if (cookies.length === 0) continue
    for (const cookie of cookies) map?.raw.delete(cookie)
    for (const { id, mapIds } of programs.filter(each => each.mapIds.includes(sockets))) {
      left.programs.add(id)
      for (const each of mapIds) left.maps.add(each)
    }
  }
  return left
}

function detach(bpf: Bpf, id: number): void {
  const descriptor = openById(bpf, 'link', id)
  if (descriptor === undefined) return
  using link = new Link(bpf, descriptor, `link ${id}`)
  // One of a cgroup that is gone has nothing to detach from.
  if (link.info().cgroupId !== 0n) link.detach()
}

function removePins(bpf: Bpf, { pins, isOwnMount }: TierPlaces): readonly string[] {
  if (!isBpffs(pins)) return []
  const problems = [...unpin(listPins(bpf, pins).map(({ path }) => path))].map(([path, why]) => `${path}: ${why}`)
  try {
    if (isOwnMount) bpf.unmount(pins)
    rmdirSync(pins)
  } catch (error) {
    problems.push(`${pins}: ${error instanceof Error ? error.message : String(error)}`)
  }
  return problems
}

function stillThere(bpf: Bpf, found: Found): readonly string[] {
  const rows = [
    ['link', found.links],
    ['program', found.programs],
    ['map', found.maps],
  ] as const
  return rows.flatMap(([kind, ids]) =>
    [...ids].flatMap(id => {
      using object = openById(bpf, kind, id)
      return object === undefined ? [] : [`${kind} ${id}`]
    }),
  )
}
