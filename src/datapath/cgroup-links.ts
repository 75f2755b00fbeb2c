import { readdirSync } from 'node:fs'
import { attachToCgroup, openLink, unpin } from '../kernel/index.ts'
import type { Bpf, Link, LoadedObject, Program } from '../kernel/index.ts'
import type { JoinedCgroup } from './joined-cgroup.ts'
import type { MeshCgroup } from './mesh-cgroup.ts'

/** Programs of cgroups that are none of the mesh's, for sockets that came into it. */
const adoptedPrograms: readonly string[] = ['hd_in_adopted', 'hd_out_adopted']

/** Where programs run: on the mesh's cgroup, on those that have joined, and where sockets of those were made. */
export class CgroupLinks implements Disposable {
  readonly #bpf: Bpf
  readonly #object: LoadedObject
  readonly #programs: ReadonlyMap<string, Program>
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
    this.#programs = object.programs
    this.#pinFolder = pinFolder
  }

  /** In the place of programs that are pinned there, or at a free place. @throws MeshError MESH_KERNEL_SYSCALL */
  attach({ folder, id }: MeshCgroup): void {
    for (const [name, program] of this.#programs) {
      if (!adoptedPrograms.includes(name)) this.#main.push(this.#attach(program, { folder, id, pin: name }))
    }
    this.#removeUnknown()
  }

  /** Programs and maps of another version that this one does not have: the former would go on judging by what they know. */
  #removeUnknown(): void {
    const folder = this.#pinFolder
    if (folder === undefined) return
    const maps = this.#object.spec.maps.filter(({ isPinnedByName }) => isPinnedByName).map(({ name }) => name)
    const known = new Set([...this.#programs.keys(), ...maps])
    const unknown = readdirSync(folder).filter(name => !known.has(name.split(joinMark)[0] ?? ''))
    unpin(unknown.map(name => `${folder}/${name}`))
  }

  /**
   * Attaches to cgroups that came, and lets go of those that left. One that fails is attached to with nothing.
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  updateJoined(joined: readonly JoinedCgroup[]): void {
    const wanted = new Map<string, { readonly program: Program; readonly place: JoinedCgroup }>()
    for (const place of joined) {
      const isAdopted = place.part === 'adopted'
      for (const [name, program] of this.#programs) {
        if (adoptedPrograms.includes(name) === isAdopted) {
          wanted.set(`${name}${joinMark}${place.id}`, { program, place })
        }
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

  #attach(program: Program, place: { readonly folder: string; readonly id: bigint; readonly pin: string }): Link {
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

/** Between the name of a program and the id of a cgroup. */
const joinMark = '@'

function pinnedJoins(folder: string | undefined): readonly string[] {
  return folder === undefined ? [] : readdirSync(folder).filter(name => name.includes(joinMark))
}
