import { messageOf } from '../core/index.ts'
import { membersOf } from '../datapath/index.ts'
import type { JoinedCgroup } from '../datapath/index.ts'
import { attachToCgroup } from '../kernel/index.ts'
import type { Bpf, GlobalValue, Link, LoadedObject } from '../kernel/index.ts'
import type { Holder } from './holder.ts'

/** Programs of the mesh's cgroup. */
export const cgroupPrograms = ['kh_sockops', 'kh_connect4', 'kh_connect6', 'kh_setsockopt'] as const
/** Where sockets were made whose programs have moved into the mesh since: only those that listen are of use. */
const adoptedPrograms = ['kh_sockops', 'kh_setsockopt'] as const

/** A cgroup whose programs go through the proxy. */
export interface FailedPlace {
  readonly folder: string
  readonly error: string
}

/** Cgroups elsewhere whose programs take the path, too. */
export class JoinedPlaces implements Disposable {
  readonly #bpf: Bpf
  readonly #object: LoadedObject
  readonly #holder: Holder | undefined
  readonly #levels: GlobalValue<number>
  /** By the name under which they are held. */
  readonly #links = new Map<string, Link>()
  readonly #callers = new Set<bigint>()

  constructor(bpf: Bpf, object: LoadedObject, holder: Holder | undefined) {
    this.#bpf = bpf
    this.#object = object
    this.#holder = holder
    this.#levels = object.global<number>('joined_levels')
  }

  /** In these from now on, and in no others; who is who is known before anybody is watched. */
  update(joined: readonly JoinedCgroup[]): readonly FailedPlace[] {
    const callers = this.#object.map<bigint, number>('kh_joined')
    const whole = membersOf(joined)
    const levels = whole.reduce((bits, { level }) => bits | (1 << level), 0)
    for (const { id, level } of whole) {
      if (this.#callers.has(id)) continue
      callers.set(id, level)
      this.#callers.add(id)
    }
    this.#levels.set(levels)
    const failed = this.#attach(joined)
    const known = new Set(whole.map(({ id }) => id))
    for (const id of this.#callers) {
      if (known.has(id)) continue
      callers.delete(id)
      this.#callers.delete(id)
    }
    return failed
  }

  #attach(joined: readonly JoinedCgroup[]): readonly FailedPlace[] {
    const wanted = new Set<string>()
    const failed: FailedPlace[] = []
    for (const { folder, id, part = 'all' } of joined) {
      try {
        for (const program of part === 'all' ? cgroupPrograms : adoptedPrograms) {
          const name = `link ${program}@${id}`
          wanted.add(name)
          if (this.#links.has(name)) continue
          const link = attachToCgroup(this.#bpf, this.#object.program(program), folder)
          this.#links.set(name, link)
          this.#holder?.hold(name, link.fd)
        }
      } catch (error) {
        failed.push({ folder, error: messageOf(error) })
      }
    }
    for (const [name, link] of this.#links) {
      if (wanted.has(name)) continue
      this.#links.delete(name)
      this.#holder?.release(name)
      link[Symbol.dispose]()
    }
    return failed
  }

  [Symbol.dispose](): void {
    for (const link of this.#links.values()) link[Symbol.dispose]()
    this.#links.clear()
  }
}
