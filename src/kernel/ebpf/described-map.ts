import { MeshError } from '../../core/index.ts'
import type { Bpf, Descriptor } from './bpf.ts'
import { readBtf } from './btf.ts'
import { bytesCodec, codecOf, perCpuCodec } from './codec.ts'
import type { Codec } from './codec.ts'
import { mapInfo, openById, readTypesById } from './info.ts'
import { BpfMap } from './map.ts'
import { mapKinds } from './map-kind.ts'
import { openPin } from './pin.ts'
import { TypedMap } from './typed-map.ts'

/**
 * Opens a pinned map as it is, whoever made it: with the types that it was made with, or as bytes when it has none. For
 * maps of an older version, whose entries are to be carried over to a new layout.
 *
 * @returns undefined when nothing is pinned there
 * @throws MeshError MESH_KERNEL_UNSUPPORTED for a kind this library does not know, MESH_KERNEL_SYSCALL
 */
export function openDescribedMap<K, V>(bpf: Bpf, path: string): TypedMap<K, V> | undefined {
  return describe(bpf, openPin(bpf, path, `map at ${path}`))
}

/** The same by the map's id, as the maps of maps and `takeInventory` tell it. */
export function openMapById<K, V>(bpf: Bpf, id: number): TypedMap<K, V> | undefined {
  return describe(bpf, openById(bpf, 'map', id))
}

function describe<K, V>(bpf: Bpf, descriptor: Descriptor | undefined): TypedMap<K, V> | undefined {
  if (descriptor === undefined) return undefined
  try {
    const info = mapInfo(bpf, descriptor.fd, 'a map')
    const { kind } = info
    if (kind === undefined) {
      throw new MeshError('MESH_KERNEL_UNSUPPORTED', `map ${info.name}: maps of type ${info.type} are not known`, {
        source: 'kernel',
      })
    }
    const bytes = info.btfId === 0 ? undefined : readTypesById(bpf, info.btfId)
    const btf = bytes === undefined ? undefined : readBtf(bytes)
    const codec = <T>(type: number, size: number): Codec<T> =>
      btf === undefined || type === 0 ? (bytesCodec(size) as unknown as Codec<T>) : codecOf<T>(btf, type)
    const value = codec<V>(info.valueType, info.valueBytes)
    return new TypedMap<K, V>(new BpfMap(bpf, descriptor, { ...info, kind }), {
      key: codec<K>(info.keyType, info.keyBytes),
      value: mapKinds[kind].isPerCpu ? (perCpuCodec(value, bpf.cpus) as unknown as Codec<V>) : value,
    })
  } catch (error) {
    descriptor[Symbol.dispose]()
    throw error
  }
}
