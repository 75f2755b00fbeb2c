import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bpf } from './bpf.ts'
import { linkInfo, mapInfo, objectIds, openById, programInfo } from './info.ts'
import type { LinkInfo, MapInfo, ProgramInfo } from './info.ts'
import { openPin } from './pin.ts'

/** What is in the kernel, whoever loaded it and however it is held. */
export interface Inventory {
  readonly maps: readonly MapInfo[]
  readonly programs: readonly ProgramInfo[]
  /** Links of those programs. */
  readonly links: readonly LinkInfo[]
}

/**
 * Maps and programs whose names begin with `prefix`, and their links. The kernel keeps 15 letters of a name.
 *
 * What is being taken away while this looks is left out. Needs CAP_SYS_ADMIN.
 *
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export function takeInventory(bpf: Bpf, prefix: string): Inventory {
  const maps = inspect(bpf, 'map', mapInfo).filter(({ name }) => name.startsWith(prefix))
  const programs = inspect(bpf, 'program', programInfo).filter(({ name }) => name.startsWith(prefix))
  const programIds = new Set(programs.map(({ id }) => id))
  const links = inspect(bpf, 'link', linkInfo).filter(({ programId }) => programIds.has(programId))
  return { maps, programs, links }
}

function inspect<T>(bpf: Bpf, kind: 'map' | 'program' | 'link', read: (bpf: Bpf, fd: number, what: string) => T): T[] {
  const found: T[] = []
  for (const id of objectIds(bpf, kind)) {
    using object = openById(bpf, kind, id)
    if (object !== undefined) found.push(read(bpf, object.fd, `${kind} ${id}`))
  }
  return found
}

export interface Pinned {
  readonly path: string
  readonly kind: 'map' | 'program' | 'link' | 'other'
  /** Id in the kernel; 0 of another kind. */
  readonly id: number
}

/**
 * Everything that is pinned in a folder and below it, in order of the paths; nothing when there is no such folder.
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export function listPins(bpf: Bpf, folder: string): readonly Pinned[] {
  let entries
  try {
    entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
    .flatMap(path => {
      using pinned = openPin(bpf, path, `pin ${path}`)
      return pinned === undefined ? [] : [{ path, ...identify(pinned.fd) }]
    })
}

/** What a descriptor is, from what the kernel tells of it. */
function identify(fd: number): { readonly kind: Pinned['kind']; readonly id: number } {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)$`, 'm').exec(text)?.[1] ?? 0)
  // A link's text tells of its program too.
  if (/^link_type:/m.test(text)) return { kind: 'link', id: field('link_id') }
  if (/^prog_type:/m.test(text)) return { kind: 'program', id: field('prog_id') }
  if (/^map_type:/m.test(text)) return { kind: 'map', id: field('map_id') }
  return { kind: 'other', id: 0 }
}
