import { MeshError } from '../../core/index.ts'
import { readBtfExt } from './btf-ext.ts'
import { readBtf } from './btf.ts'
import type { Btf } from './btf.ts'
import { readElf } from './elf.ts'
import { fixDataSections, readGlobals } from './global-data.ts'
import type { GlobalSection } from './global-data.ts'
import { linkPrograms } from './link-programs.ts'
import type { ProgramSpec } from './link-programs.ts'
import { readMaps } from './map-spec.ts'
import type { MapSpec } from './map-spec.ts'
import { badObject } from './object-bytes.ts'

/**
 * What an object file holds, as plain data: the same bytes give the same specification on every machine and under every
 * kernel. Loading it changes nothing in it.
 */
export interface ObjectSpec {
  /** For messages, `connect`. */
  readonly name: string
  readonly license: string
  readonly maps: readonly MapSpec[]
  readonly programs: readonly ProgramSpec[]
  readonly globals: readonly GlobalSection[]
  readonly btf: Btf
  /** As the kernel takes it. */
  readonly btfBytes: Uint8Array
}

/**
 * Reads an object that clang wrote with `-target bpf -g -O2`.
 *
 * @param file  kept by nobody: everything is copied
 * @param options.name  for messages
 * @throws MeshError MESH_EBPF_OBJECT with what is wrong and where
 */
export function readObject(file: Uint8Array, options: { readonly name: string }): ObjectSpec {
  try {
    const elf = readElf(Uint8Array.from(file))
    const section = (name: string): Uint8Array | undefined => elf.sections.find(each => each.name === name)?.bytes
    const raw = section('.BTF')
    if (raw === undefined) throw badObject('has no types (.BTF)')
    const btfBytes = fixDataSections(raw, readBtf(raw), elf)
    const btf = readBtf(btfBytes)
    return {
      name: options.name,
      license:
        Buffer.from(section('license') ?? [])
          .toString('latin1')
          .split('\0')[0] ?? '',
      maps: readMaps(btf),
      globals: readGlobals(btf, elf),
      programs: linkPrograms(elf, btf, readBtfExt(section('.BTF.ext'), btf)),
      btf,
      btfBytes,
    }
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    throw new MeshError(error.code, `object ${options.name}: ${error.message}`, {
      source: error.source,
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    })
  }
}
