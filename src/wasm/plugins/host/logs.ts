import { logLevels, statuses } from '../abi.ts'
import type { HostFunctions } from './host-vm.ts'

const { ok, badArgument, invalidMemoryAccess } = statuses

/** Logs and the clock: allowed at any moment, also while the module prepares its memory. */
export const logFunctions: HostFunctions = vm => ({
  proxy_log(level: number, pointer: number, length: number) {
    vm.countCall()
    const name = logLevels[level]
    if (name === undefined) return badArgument
    if (!vm.memory.has(pointer, length)) return invalidMemoryAccess
    vm.output.flush()
    vm.services.log(name, vm.config.name, vm.memory.text(pointer, length))
    return ok
  },
  proxy_get_log_level(out: number) {
    vm.countCall()
    if (!vm.memory.has(out, 4)) return invalidMemoryAccess
    vm.memory.setU32(out, logLevels.indexOf(vm.services.logLevel))
    return ok
  },
  proxy_get_current_time_nanoseconds(out: number) {
    vm.countCall()
    if (!vm.memory.has(out, 8)) return invalidMemoryAccess
    vm.memory.setU64(out, nanoseconds(vm.services.clock.wallMs()))
    return ok
  },
})

export function nanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms * 1e3)) * 1000n
}
