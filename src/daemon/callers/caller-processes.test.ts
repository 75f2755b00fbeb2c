import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../core/index.ts'
import type { Caller } from '../../model/index.ts'
import { Breath } from './breath.ts'
import { findHolders } from './caller-processes.ts'
import type { CallerRoot } from './caller-processes.ts'
import { SketchedProc } from './testing.ts'
import type { ProcessSketch } from './testing.ts'

const cart: Caller = { namespace: 'shop', service: 'shop/cart', workload: 'shop/cart-0' }
const pay: Caller = { namespace: 'shop', service: 'shop/pay', workload: 'shop/pay-0' }

/** The agent, 10, has started cart, 20, and pay, 30, each in a session of its own. */
const started: readonly ProcessSketch[] = [
  { pid: 1, parent: 0 },
  { pid: 10, parent: 1 },
  { pid: 20, parent: 10 },
  { pid: 30, parent: 10 },
]
const cartRoot: CallerRoot = { pid: 20, caller: cart }
const payRoot: CallerRoot = { pid: 30, caller: pay }

/** A process of cart's session. */
const ofCart = { group: 20, session: 20 }

const cases: readonly {
  readonly name: string
  /** Beside or instead of the ones above. */
  readonly processes: readonly ProcessSketch[]
  readonly roots?: readonly CallerRoot[]
  readonly holder: Caller | undefined
}[] = [
  { name: 'of a root process', processes: [{ pid: 20, parent: 10, sockets: [6, 7] }], holder: cart },
  {
    name: 'of a descendant, whatever session it has made for itself',
    processes: [
      { pid: 21, parent: 20, ...ofCart },
      { pid: 22, parent: 21, sockets: [7] },
    ],
    holder: cart,
  },
  {
    name: 'of a process of the session whose parent has ended',
    processes: [{ pid: 21, parent: 1, ...ofCart, sockets: [7] }],
    holder: cart,
  },
  {
    name: 'of a child of a process whose parent has ended',
    processes: [
      { pid: 21, parent: 1, ...ofCart },
      { pid: 22, parent: 21, sockets: [7] },
    ],
    holder: cart,
  },
  {
    name: 'of a process that several workers of a server inherited',
    processes: [
      { pid: 20, parent: 10, sockets: [7] },
      { pid: 21, parent: 20, ...ofCart, sockets: [7] },
      { pid: 22, parent: 20, ...ofCart, sockets: [7] },
    ],
    holder: cart,
  },
  {
    name: 'of a root within the tree of another root',
    processes: [
      { pid: 21, parent: 20, ...ofCart },
      { pid: 30, parent: 21, ...ofCart, sockets: [7] },
    ],
    holder: pay,
  },
  {
    name: 'of nobody: a process with a session of its own whose parent has ended',
    processes: [{ pid: 21, parent: 1, sockets: [7] }],
    holder: undefined,
  },
  { name: 'of nobody: the agent itself', processes: [{ pid: 10, parent: 1, sockets: [7] }], holder: undefined },
  {
    name: 'of nobody: two workloads hold it',
    processes: [
      { pid: 20, parent: 10, sockets: [7] },
      { pid: 30, parent: 10, sockets: [3, 7] },
    ],
    holder: undefined,
  },
  {
    name: 'of nobody: three workloads hold it, two of them of one service',
    processes: [
      { pid: 20, parent: 10, sockets: [7] },
      { pid: 30, parent: 10, sockets: [7] },
      { pid: 40, parent: 10, sockets: [7] },
    ],
    roots: [cartRoot, payRoot, { pid: 40, caller: cart }],
    holder: undefined,
  },
  {
    name: 'of nobody: a workload within another one has inherited it',
    processes: [
      { pid: 20, parent: 10, sockets: [7] },
      { pid: 30, parent: 20, ...ofCart, sockets: [7] },
    ],
    holder: undefined,
  },
  {
    name: 'of two workloads that are the same service',
    processes: [
      { pid: 20, parent: 10, sockets: [7] },
      { pid: 30, parent: 10, sockets: [7] },
    ],
    roots: [cartRoot, { pid: 30, caller: { ...cart } }],
    holder: cart,
  },
]

function procOf(processes: readonly ProcessSketch[]): SketchedProc {
  const proc = new SketchedProc()
  const changed = new Set(processes.map(({ pid }) => pid))
  proc.processes = [...started.filter(({ pid }) => !changed.has(pid)), ...processes]
  return proc
}

async function holderOf(proc: SketchedProc, roots: readonly CallerRoot[]): Promise<Caller | undefined> {
  return (await findHolders(proc, [7], roots, new Breath(systemClock))).get(7)
}

for (const { name, processes, roots = [cartRoot, payRoot], holder } of cases) {
  for (const tellsChildren of [true, false]) {
    const kernel = tellsChildren ? '' : ', on a kernel that does not tell children'
    test(`findHolders() finds the socket ${name}${kernel}`, async () => {
      const proc = procOf(processes)
      proc.tellsChildren = tellsChildren
      assert.deepEqual(await holderOf(proc, roots), holder)
      assert.deepEqual(await holderOf(proc, roots.toReversed()), holder)
    })
  }
}
