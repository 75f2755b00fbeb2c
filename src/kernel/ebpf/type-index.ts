import { readFileSync } from 'node:fs'
import { MeshError, messageOf } from '../../core/index.ts'
import { readBtf } from './btf.ts'
import type { Btf } from './btf.ts'
import type { Traced } from './program-kind.ts'

/** Where a kernel tells its own types (CONFIG_DEBUG_INFO_BTF). */
export const kernelTypesPath = '/sys/kernel/btf/vmlinux'

/** Types by name: the kernel has more than a hundred thousand. */
export class TypeIndex {
  readonly btf: Btf
  readonly #byName = new Map<string, number[]>()

  constructor(btf: Btf) {
    this.btf = btf
    for (const [id, type] of btf.types.entries()) {
      if (!('name' in type) || type.name === '') continue
      const known = this.#byName.get(type.name)
      if (known === undefined) this.#byName.set(type.name, [id])
      else known.push(id)
    }
  }

  /** Ids of all types of that name, whatever they are. */
  named(name: string): readonly number[] {
    return this.#byName.get(name) ?? []
  }

  /** Id of a function of the kernel; undefined when there is none, or its types are in a module. */
  functionId(name: string): number | undefined {
    return this.named(name).find(id => this.btf.types[id]?.kind === 'function')
  }

  /** Id of the type that a tracing program names: of a function, or of the arguments of a tracepoint. */
  tracedId({ kind, name }: Traced): number | undefined {
    return kind === 'function' ? this.functionId(name) : this.named(`btf_trace_${name}`)[0]
  }
}

/**
 * Types of the running kernel; takes half a second and some 100 MB; `Bpf.kernelTypes` does it once.
 * @throws MeshError MESH_KERNEL_UNSUPPORTED when it does not tell them
 */
export function readKernelTypes(): TypeIndex {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(kernelTypesPath)
  } catch (error) {
    throw new MeshError('MESH_KERNEL_UNSUPPORTED', `the kernel tells no types: ${messageOf(error)}`, {
      source: 'kernel',
      cause: error,
      hint: 'programs that follow structs of the kernel need one built with CONFIG_DEBUG_INFO_BTF',
    })
  }
  return new TypeIndex(readBtf(bytes))
}
