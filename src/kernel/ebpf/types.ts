import { command } from './bpf.ts'
import type { Bpf, Descriptor } from './bpf.ts'
import { btfFeature, supports, unsupported } from './feature.ts'
import type { ObjectSpec } from './object-spec.ts'

/**
 * Gives the kernel the types of an object: for maps and programs that refer to them. The caller owns the descriptor.
 * @throws MeshError MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL with what the kernel does not like
 */
export function loadTypes(bpf: Bpf, spec: ObjectSpec): Descriptor {
  const what = `types of object ${spec.name}`
  const fill = (log: Buffer | undefined): number => {
    const attr = bpf.attr(command.btfLoad).memory(0, spec.btfBytes).u32(16, spec.btfBytes.length)
    if (log !== undefined) attr.memory(8, log).u32(20, log.length).u32(24, 1)
    return bpf.try(command.btfLoad, attr)
  }
  const answer = fill(undefined)
  if (answer >= 0) return bpf.own(answer, what)
  if (supports(bpf, btfFeature) === false) throw unsupported(btfFeature, what)
  const log = Buffer.allocUnsafeSlow(1 << 20).fill(0)
  const second = fill(log)
  if (second >= 0) return bpf.own(second, what)
  const said = log.toString('latin1', 0, log.indexOf(0)).trimEnd().split('\n').at(-1) ?? ''
  throw bpf.failure({
    call: 'bpf(BTF_LOAD)',
    errno: -second,
    object: what,
    ...(said === '' ? { needs: ['CAP_BPF'] } : { hint: `the kernel says: ${said}` }),
  })
}
