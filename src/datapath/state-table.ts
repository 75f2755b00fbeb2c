import { randomInt } from 'node:crypto'
import { setEntry } from './map-write.ts'
import type { MapWrite } from './map-write.ts'

/** How deep a cgroup of a member may lie: MOST_LEVELS of bpf/datapath/member.h. */
export const mostLevels = 12

/**
 * What all programs look at first. Sockets remember by which generation of policies they were judged, also those of an
 * agent before this one: generations begin anywhere, so that none is taken for another's.
 */
export class StateTable {
  #generation: number = randomInt(1, 2 ** 31)
  #levels = 0

  /**
   * @param levels   at which depths below the root cgroups of members lie
   * @param options.isChanged  whether connections that are there have to be judged again
   */
  update(levels: readonly number[], { isChanged }: { readonly isChanged: boolean }): readonly MapWrite[] {
    const mask = levels.reduce((bits, level) => bits | (1 << level), 0)
    if (!isChanged && mask === this.#levels) return []
    this.#levels = mask
    // 0 means that nobody has judged yet.
    this.#generation = (this.#generation + 1) % 2 ** 32 || 1
    return [setEntry('hd_state', 0, { generation: this.#generation, levels: mask })]
  }
}
