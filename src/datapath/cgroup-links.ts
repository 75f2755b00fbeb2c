import { readdirSync } from 'node:fs'
import { attachToCgroup, openLink, unpin } from '../kernel/index.ts'
import type { Bpf, Link, LoadedObject } from '../kernel/index.ts'
import type { JoinedCgroup } from './joined-cgroup.ts'
import type { MeshCgroup } from './mesh-cgroup.ts'

/** Programs of cgroups that are none of the mesh's, for sockets that came into it; loaded when there is such a cgroup. */
export const adoptedPrograms: readonly string[] = ['hd_in_adopted', 'hd_out_adopted']

/** Where programs run: on the mesh's cgroup, on those that have joined, and where sockets of those were made. */
export class CgroupLinks implements Disposable {
  readonly #bpf: Bpf
  readonly #object: LoadedObject
  readonly #pinFolder: string | undefined
  readonly #main: Link[] = []
  /** By the name of their pins: a program, and the id of a cgroup. */
  readonly #joined = new Map<string, Link>()
  /** Of agents before this one; undefined before it was looked for. */
  #left: readonly string[] | undefined

  /** @param pinFolder  for links that outlive this; undefined for none */
  constructor(bpf: Bpf, object: LoadedObject, pinFolder: string | undefined) {
    this.#bpf = bpf
    this.#object = object
    this.#pinFolder = pinFolder
  }

  /** In the place of programs that are pinned there, or at a free place. @throws MeshError MESH_KERNEL_SYSCALL */
  attach({ folder, id }: MeshCgroup): void {
    // All, before the first of them takes another's place.
    for (const name of this.missing) this.#object.program(name)
    for (const name of this.#programsFor('all')) this.#main.push(this.#attach(name, { folder, id, pin: name }))
    this.#removeUnknown()
  }

  /** Programs of the mesh's cgroup that are not loaded yet. */
  get missing(): readonly string[] {
    return this.#programsFor('all').filter(name => !this.#object.programs.has(name))
  }

  #programsFor(part: JoinedCgroup['part']): readonly string[] {
    const names = this.#object.spec.programs.map(({ name }) => name)
    return names.filter(name => adoptedPrograms.includes(name) === (part === 'adopted'))
  }

  /** Programs and maps of another version that this one does not have: the former would go on judging by what they know. */
  #removeUnknown(): void {
    const folder = this.#pinFolder
    if (folder === undefined) return
    const { maps, programs } = this.#object.spec
    const known = new Set([...maps.filter(({ isPinnedByName }) => isPinnedByName), ...programs].map(({ name }) => name))
    const unknown = readdirSync(folder).filter(name => !known.has(name.split(joinMark)[0] ?? ''))
    unpin(unknown.map(name => `${folder}/${name}`))
  }

  /**
   * Attaches to cgroups that came, and lets go of those that left. One that fails is attached to with nothing.
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  updateJoined(joined: readonly JoinedCgroup[]): void {
    const wanted = new Map<string, { readonly program: string; readonly place: JoinedCgroup }>()
    for (const place of joined) {
      for (const program of this.#programsFor(place.part)) {
        wanted.set(`${program}${joinMark}${place.id}`, { program, place })
      }
    }
    for (const pin of this.#left ?? pinnedJoins(this.#pinFolder)) if (!wanted.has(pin)) this.#leave(pin)
    this.#left = []
    for (const pin of this.#joined.keys()) if (!wanted.has(pin)) this.#leave(pin)
    const attached: string[] = []
    try {
      for (const [pin, { program, place }] of wanted) {
        if (this.#joined.has(pin)) continue
        this.#joined.set(pin, this.#attach(program, { folder: place.folder, id: place.id, pin }))
        attached.push(pin)
      }
    } catch (error) {
      for (const pin of attached) this.#leave(pin)
      throw error
    }
  }

  #leave(pin: string): void {
    this.#joined.get(pin)?.[Symbol.dispose]()
    this.#joined.delete(pin)
    if (this.#pinFolder !== undefined) unpin([`${this.#pinFolder}/${pin}`])
  }

  #attach(name: string, place: { readonly folder: string; readonly id: bigint; readonly pin: string }): Link {
    const program = this.#object.program(name)
    if (this.#pinFolder === undefined) return attachToCgroup(this.#bpf, program, place.folder)
    const path = `${this.#pinFolder}/${place.pin}`
    const pinned = openLink(this.#bpf, path)
    if (pinned !== undefined) {
      // Of a cgroup that was removed, it would never run.
      if (pinned.info().cgroupId === place.id) {
        pinned.update(program)
        return pinned
      }
      pinned[Symbol.dispose]()
      unpin([path])
    }
    const link = attachToCgroup(this.#bpf, program, place.folder)
    link.pin(path)
    return link
  }

  [Symbol.dispose](): void {
    for (const link of [...this.#main, ...this.#joined.values()]) link[Symbol.dispose]()
    this.#main.length = 0
    this.#joined.clear()
  }
}

/** Whether programs of an earlier agent run at every place of the mesh's cgroup. */
export function areAtWork(bpf: Bpf, names: readonly string[], folder: string, { id }: MeshCgroup): boolean {
  return names.every(name => {
    using link = openLink(bpf, `${folder}/${name}`)
    return link?.info().cgroupId === id
  })
}

/** Between the name of a program and the id of a cgroup. */
const joinMark = '@'

function pinnedJoins(folder: string | undefined): readonly string[] {
  return folder === undefined ? [] : readdirSync(folder).filter(name => name.includes(joinMark))
}
