import { statuses } from '../abi.ts'
import type { Status } from '../abi.ts'
import type { Context } from '../context.ts'
import { ProtobufReader } from '../../../codec/index.ts'
import type { HostFunctions, HostVm } from './host-vm.ts'

const { ok, notFound, badArgument, internalFailure, invalidMemoryAccess } = statuses

type ContextFunction = (vm: HostVm, context: Context, argument: Uint8Array) => Status

/** Functions that act on the stream or the instance of who calls; the others are a service. Arguments are messages of Envoy. */
const contextFunctions: ReadonlyMap<string, ContextFunction> = new Map<string, ContextFunction>([
  [
    'clear_route_cache',
    (_vm, context) => {
      context.clearRouteCache()
      return ok
    },
  ],
  ['declare_property', declareProperty],
  ['set_envoy_filter_state', setFilterState],
])

/** `DeclarePropertyArguments`: of name, read-only, type, schema and life span the last three are Envoy's own matter. */
function declareProperty(vm: HostVm, _context: Context, argument: Uint8Array): Status {
  const reader = new ProtobufReader(argument)
  let [name, isReadOnly] = ['', false]
  while (reader.next()) {
    if (reader.field === 1) name = reader.string()
    else if (reader.field === 2) isReadOnly = reader.bool()
  }
  if (reader.problem !== undefined) return badArgument
  return vm.root.declareProperty(name, { isReadOnly }) ? ok : badArgument
}

/** `SetEnvoyFilterStateArguments`. Each key of Envoy steers one of its filters, and here there are none. */
function setFilterState(vm: HostVm, _context: Context, argument: Uint8Array): Status {
  const reader = new ProtobufReader(argument)
  let path = ''
  while (reader.next()) if (reader.field === 1) path = reader.string()
  if (reader.problem !== undefined) return badArgument
  vm.log('warn', `set_envoy_filter_state: ${path} means nothing here`)
  return notFound
}

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
    const act = contextFunctions.get(text)
    if (act !== undefined) return act(vm, context, memory.copy(argument, argumentLength))
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
