import { statuses } from '../abi.ts'
import type { HostFunctions } from './host-vm.ts'

const { ok, notFound, badArgument, internalFailure, invalidMemoryAccess } = statuses

/** Functions that the host offers by name, and what toolchains import beside the ABI. */
export const foreignFunctions: HostFunctions = vm => ({
  proxy_call_foreign_function(
    name: number,
    nameLength: number,
    argument: number,
    argumentLength: number,
    outPointer: number,
    outLength: number,
  ) {
    const context = vm.target()
    const { memory } = vm
    if (!memory.has(name, nameLength) || !memory.has(argument, argumentLength)) return invalidMemoryAccess
    if (!memory.has(outPointer, 4) || !memory.has(outLength, 4)) return invalidMemoryAccess
    const text = memory.text(name, nameLength)
    if (text === 'clear_route_cache') {
      context.clearRouteCache()
      return ok
    }
    const call = vm.services.foreignFunctions.get(text)
    if (call === undefined) return notFound
    const result = call(memory.copy(argument, argumentLength), (id, bytes) => vm.callBack(context, id, bytes))
    if (result === 'bad-argument') return badArgument
    if (result === 'internal-failure') return internalFailure
    // Who wants no result gives no place for it.
    return outPointer === 0 || outLength === 0 ? ok : vm.give(result, 0, result.length, outPointer, outLength)
  },
  pthread_equal: (left: number, right: number) => (left === right ? 1 : 0),
  emscripten_notify_memory_growth: () => {},
})
