import { mapTypes, statuses } from '../abi.ts'
import type { Status } from '../abi.ts'
import type { HeaderMap } from '../../../codec/index.ts'
import { readPairs } from '../pairs.ts'
import type { HostFunctions, HostVm } from './host-vm.ts'

const { ok, notFound, badArgument, invalidMemoryAccess } = statuses

/** Maps of headers, trailers and metadata. */
export const headerFunctions: HostFunctions = vm => ({
  proxy_get_header_map_size(type: number, out: number) {
    const map = vm.target().map(type)
    if (!vm.memory.has(out, 4)) return invalidMemoryAccess
    if (map === undefined) return unavailable(vm)
    vm.memory.setU32(out, map.pairsBytes)
    return ok
  },
  proxy_get_header_map_pairs(type: number, outPointer: number, outLength: number) {
    const { memory } = vm
    const map = vm.target().map(type)
    if (!memory.has(outPointer, 4) || !memory.has(outLength, 4)) return invalidMemoryAccess
    const length = map?.pairsBytes ?? 0
    const pointer = length === 0 ? 0 : vm.allocate(length)
    if (length > 0 && pointer === 0) return invalidMemoryAccess
    if (length > 0) map?.writePairs(memory.view, memory.bytes, pointer)
    memory.setU32(outPointer, pointer)
    memory.setU32(outLength, length)
    return ok
  },
  proxy_set_header_map_pairs(type: number, pointer: number, length: number) {
    if (!vm.memory.has(pointer, length)) return invalidMemoryAccess
    const map = writable(vm, type)
    if (map === undefined) return badArgument
    // An answer other than ok ends plugins of the Rust SDK.
    const pairs = readPairs(vm.memory.slice(pointer, length))
    if (pairs === undefined) {
      vm.log('warn', 'proxy_set_header_map_pairs: malformed list; nothing is changed')
      return ok
    }
    map.clear()
    for (const [name, value] of pairs) map.append(name, value)
    return ok
  },
  proxy_get_header_map_value(type: number, key: number, keyLength: number, outPointer: number, outLength: number) {
    const { memory } = vm
    const map = vm.target().map(type)
    if (!memory.has(key, keyLength)) return invalidMemoryAccess
    if (map === undefined) return unavailable(vm)
    const index = map.find(memory.bytes, key >>> 0, keyLength)
    if (index === -1) return vm.module.abi === '0.1.0' ? vm.give(map.bytes, 0, 0, outPointer, outLength) : notFound
    return vm.give(map.bytes, map.valueStart(index), map.valueLength(index), outPointer, outLength)
  },
  proxy_add_header_map_value(type: number, key: number, keyLength: number, value: number, valueLength: number) {
    const { memory } = vm
    if (!memory.has(key, keyLength) || !memory.has(value, valueLength)) return invalidMemoryAccess
    const map = writable(vm, type)
    if (map === undefined) return badArgument
    const { bytes } = memory
    return told(vm, map.add(bytes, key >>> 0, keyLength >>> 0, bytes, value >>> 0, valueLength >>> 0))
  },
  proxy_replace_header_map_value(type: number, key: number, keyLength: number, value: number, valueLength: number) {
    const { memory } = vm
    if (!memory.has(key, keyLength) || !memory.has(value, valueLength)) return invalidMemoryAccess
    const map = writable(vm, type)
    if (map === undefined) return badArgument
    const { bytes } = memory
    return told(vm, map.replace(bytes, key >>> 0, keyLength >>> 0, bytes, value >>> 0, valueLength >>> 0))
  },
  proxy_remove_header_map_value(type: number, key: number, keyLength: number) {
    if (!vm.memory.has(key, keyLength)) return invalidMemoryAccess
    const map = writable(vm, type)
    if (map === undefined) return badArgument
    map.remove(vm.memory.bytes, key >>> 0, keyLength >>> 0)
    return ok
  },
})

/** Undefined, and the reason in the log, if the plugin may not change it. */
function writable(vm: HostVm, type: number): HeaderMap | undefined {
  const context = vm.target()
  const access = context.mapAccess(type)
  if (access === 'write') return context.map(type)
  const name = Object.entries(mapTypes).find(([, value]) => value === type)?.[0] ?? `type ${type}`
  vm.log('warn', `the map ${name} can't be changed ${access === 'read' ? 'any more' : 'now: it is not there'}`)
  return undefined
}

function unavailable(vm: HostVm): Status {
  return vm.target().isLogging ? notFound : badArgument
}

function told(vm: HostVm, result: 'added' | 'malformed' | 'too-large'): Status {
  if (result === 'added') return ok
  const reason = result === 'malformed' ? 'it is no valid field (RFC 9110 section 5)' : 'there are too many already'
  vm.log('warn', `a header is not added: ${reason}`)
  return badArgument
}
