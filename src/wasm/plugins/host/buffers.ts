import { bufferTypes, statuses } from '../abi.ts'
import type { DataBuffer } from '../data-buffer.ts'
import type { HostFunctions, HostVm } from './host-vm.ts'

const { ok, notFound, badArgument, invalidMemoryAccess } = statuses
const lastType = 8
/** ABI 0.1.0 knows neither configurations nor arguments as buffers. */
const lastTypeOfFirstAbi = 5

/** Bodies, data of connections, messages and configurations. */
export const bufferFunctions: HostFunctions = vm => ({
  proxy_get_buffer_bytes(type: number, start: number, max: number, outPointer: number, outLength: number) {
    const from = start >>> 0
    if (isUnknown(vm, type) || from + (max >>> 0) > 0xffffffff) return badArgument
    const buffer = bufferOf(vm, type)
    if (buffer === undefined) return notFound
    const length = from > buffer.length ? 0 : Math.min(max >>> 0, buffer.length - from)
    return vm.give(buffer.bytes, from, length, outPointer, outLength)
  },
  proxy_get_buffer_status(type: number, outLength: number, outFlags: number) {
    if (isUnknown(vm, type)) return badArgument
    const buffer = bufferOf(vm, type)
    if (buffer === undefined) return notFound
    if (!vm.memory.has(outLength, 4) || !vm.memory.has(outFlags, 4)) return invalidMemoryAccess
    vm.memory.setU32(outLength, buffer.length)
    vm.memory.setU32(outFlags, 0)
    return ok
  },
  proxy_set_buffer_bytes(type: number, start: number, size: number, data: number, length: number) {
    if (isUnknown(vm, type)) return badArgument
    const buffer = bufferOf(vm, type)
    if (buffer === undefined) return notFound
    if (!buffer.isWritable) return badArgument
    if (!vm.memory.has(data, length)) return invalidMemoryAccess
    if (!fits(vm, buffer, start >>> 0, size >>> 0, length >>> 0)) return badArgument
    buffer.splice(start >>> 0, size >>> 0, vm.memory.slice(data, length))
    return ok
  },
  // ABI 0.1.0: of the virtual machine or of the plugin, by the callback that runs
  ...(vm.module.abi === '0.1.0' && {
    proxy_get_configuration(outPointer: number, outLength: number) {
      vm.target()
      const bytes = vm.isStartingVm ? vm.config.vmConfiguration : vm.config.configuration
      return vm.give(bytes, 0, bytes.length, outPointer, outLength)
    },
  }),
})

/** Arguments of foreign functions are the instance's, all others the context's. */
function bufferOf(vm: HostVm, type: number): DataBuffer | undefined {
  const context = vm.target()
  return type === bufferTypes.foreignFunctionArguments ? vm.foreignArguments : context.buffer(type)
}

function isUnknown(vm: HostVm, type: number): boolean {
  return type < 0 || type > (vm.module.abi === '0.1.0' ? lastTypeOfFirstAbi : lastType)
}

/** What the plugin makes larger than the limit is refused, whatever came from outside. */
function fits(vm: HostVm, buffer: DataBuffer, start: number, size: number, length: number): boolean {
  const from = Math.min(start, buffer.length)
  const after = buffer.length - Math.min(size, buffer.length - from) + length
  if (after <= vm.config.limits.bodyBytes || after <= buffer.length) return true
  vm.log('warn', `a body of ${after} bytes is more than the limit of ${vm.config.limits.bodyBytes}; it is not changed`)
  return false
}
