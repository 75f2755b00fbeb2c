import { after, before } from 'node:test'
import type { MeshCgroup } from '../../src/datapath/index.ts'
import { kernelSkip } from '../../src/kernel/ebpf/testing.ts'
import { enterCgroup, leaveCgroup } from './world.ts'

/**
 * For a file whose tests run in a cgroup of their own, which goes after them.
 *
 * @param open  makes what all of them need; what it gives to the stack is closed before the cgroup goes
 * @returns why they are skipped, as `skip` of a test
 */
export function inCgroup(open: (cgroup: MeshCgroup, stack: AsyncDisposableStack) => unknown): string | false {
  const skip = kernelSkip()
  if (skip !== false) return skip
  const stack = new AsyncDisposableStack()
  before(async () => {
    const cgroup = enterCgroup()
    stack.defer(() => leaveCgroup(cgroup))
    await open(cgroup, stack)
  })
  after(() => stack.disposeAsync())
  return false
}
