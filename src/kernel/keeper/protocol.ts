/**
 * What a keeper and whoever leads it say to each other: one message of JSON each way, descriptors beside it.
 *
 * `lead`, `list` and `end` are the same in every version, so that a newer program can always take everything from an
 * older keeper, hand it to one of its own, and end the older one.
 */
export const keeperVersion = 2

export type KeeperQuestion =
  /** From now on descriptors are kept for this connection, until it ends. One at a time. */
  | { readonly ask: 'lead' }
  /** Takes a copy of each descriptor under its name, in their order; a name that is there already is replaced. */
  | { readonly ask: 'keep'; readonly names: readonly string[]; readonly kind: KeptKind }
  | { readonly ask: 'drop'; readonly names: readonly string[] }
  /** Copies of what is kept, from the given place in the list on. */
  | { readonly ask: 'list'; readonly from: number }
  | { readonly ask: 'count' }
  /** Closes everything and ends. */
  | { readonly ask: 'end' }

/**
 * `socket`: given up when nobody has led for some time, since whoever waits there should not wait for ever. So are programs
 * and maps in the kernel that work for sockets.
 * `output`: the reading end of a pipe whose writer must neither fail nor wait; it is kept as long as there is one.
 * `process`: a process (pidfd_open(2)), until it has ended.
 */
export type KeptKind = (typeof keptKinds)[number]

export const keptKinds = ['socket', 'output', 'process'] as const

export interface KeptName {
  readonly name: string
  readonly kind: KeptKind
}

export interface KeeperAnswer {
  readonly version: number
  /** Why nothing was done. */
  readonly error?: string
  /** Of the keeper's process. */
  readonly pid?: number
  readonly count?: number
  readonly isLed?: boolean
  /** What the descriptors of a `list` are, in their order. */
  readonly items?: readonly KeptName[]
  /** Where to go on with `list`; absent at its end. */
  readonly next?: number
}
