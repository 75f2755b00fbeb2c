import { statuses } from '../abi.ts'
import { encodeProperty } from '../property-value.ts'
import type { HostFunctions } from './host-vm.ts'

const { badArgument, notFound, ok, serializationFailure, invalidMemoryAccess } = statuses

const refusals = { 'read-only': 'it stays as it was set first', full: 'the stream has too many' } as const

export const propertyFunctions: HostFunctions = vm => ({
  proxy_get_property(path: number, length: number, outPointer: number, outLength: number) {
    const context = vm.target()
    if (!vm.memory.has(path, length)) return invalidMemoryAccess
    if (!vm.memory.has(outPointer, 4) || !vm.memory.has(outLength, 4)) return invalidMemoryAccess
    const value = context.property(partsOf(vm.memory.text(path, length)))
    if (value === undefined) return notFound
    const bytes = encodeProperty(value)
    return bytes === undefined ? serializationFailure : vm.give(bytes, 0, bytes.length, outPointer, outLength)
  },
  proxy_set_property(path: number, length: number, value: number, valueLength: number) {
    const context = vm.target()
    if (!vm.memory.has(path, length) || !vm.memory.has(value, valueLength)) return invalidMemoryAccess
    const parts = partsOf(vm.memory.text(path, length))
    const setting = context.setProperty(parts, vm.memory.copy(value, valueLength))
    if (setting === 'set') return ok
    if (setting === 'no-stream') return notFound
    vm.log('warn', `the property ${parts.join('.')} is not set: ${refusals[setting]}`)
    return badArgument
  },
})

/** Parts end with a NUL, which is between them; the C++ SDK sends one more. */
function partsOf(path: string): readonly string[] {
  return (path.endsWith('\0') ? path.slice(0, -1) : path).split('\0')
}
