import { statuses } from '../abi.ts'
import type { Status } from '../abi.ts'
import type { Context } from '../context.ts'
import { ProtobufReader } from '../../../codec/index.ts'
import type { PropertySpan } from '../stream-properties.ts'
import type { HostFunctions, HostVm } from './host-vm.ts'

const { ok, notFound, badArgument, serializationFailure, internalFailure, invalidMemoryAccess } = statuses

/** @returns bytes for the plugin, or a status alone */
type ContextFunction = (vm: HostVm, context: Context, argument: Uint8Array) => Status | Uint8Array

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
  ['expr_create', createExpression],
  ['expr_evaluate', evaluateExpression],
  ['expr_delete', deleteExpression],
])

/** `LifeSpan` of Envoy: filter chain, request, connection. */
function spanOf(number: number): PropertySpan {
  return number === 2 ? 'connection' : 'stream'
}

/** `DeclarePropertyArguments`: of name, read-only, type, schema and life span type and schema are Envoy's own matter. */
function declareProperty(vm: HostVm, _context: Context, argument: Uint8Array): Status {
  const reader = new ProtobufReader(argument)
  let [name, isReadOnly, span] = ['', false, 0]
  while (reader.next()) {
    if (reader.field === 1) name = reader.string()
    else if (reader.field === 2) isReadOnly = reader.bool()
    else if (reader.field === 5) span = reader.uint32()
  }
  if (reader.problem !== undefined) return badArgument
  return vm.root.declareProperty(name, { isReadOnly, span: spanOf(span) }) ? ok : badArgument
}

/** `SetEnvoyFilterStateArguments`: path, value and life span. Plugins find it as `filter_state.<path>`. */
function setFilterState(vm: HostVm, context: Context, argument: Uint8Array): Status {
  const reader = new ProtobufReader(argument)
  let [path, span] = ['', 0]
  let value: Uint8Array = new Uint8Array(0)
  while (reader.next()) {
    if (reader.field === 1) path = reader.string()
    else if (reader.field === 2) value = reader.bytes()
    else if (reader.field === 3) span = reader.uint32()
  }
  if (reader.problem !== undefined || path === '') return badArgument
  const setting = context.setFilterState(path, value.slice(), spanOf(span))
  if (setting === 'no-stream') return notFound
  if (setting !== 'set') {
    vm.log('warn', `the filter state ${path} is not set: the stream has too many`)
    return badArgument
  }
  // A plugin that means to choose the endpoint by it must not go wrong in silence.
  if (path.startsWith('envoy.')) vm.log('warn', `${path} steers a filter of Envoy; here plugins alone read it`)
  return ok
}

/** The text of an expression to its token, in 4 bytes. */
function createExpression(vm: HostVm, _context: Context, argument: Uint8Array): Status | Uint8Array {
  const token = vm.root.expressions.create(Buffer.from(argument).toString('utf8'))
  if (typeof token === 'number') return tokenBytes(token)
  vm.log('warn', `expr_create: ${token.message}`)
  return badArgument
}

/** A token to the value of its expression, in the bytes of a property. */
function evaluateExpression(vm: HostVm, context: Context, argument: Uint8Array): Status | Uint8Array {
  const token = tokenOf(argument)
  if (token === undefined) return badArgument
  const value = vm.root.expressions.evaluate(token, context)
  if (value === 'not-found') return notFound
  if (value === 'unwritable') return serializationFailure
  // A missing attribute is a plugin's daily bread: a line for each would be a log for each request.
  return value instanceof Uint8Array ? value : internalFailure
}

function deleteExpression(vm: HostVm, _context: Context, argument: Uint8Array): Status {
  const token = tokenOf(argument)
  if (token === undefined) return badArgument
  vm.root.expressions.delete(token)
  return ok
}

function tokenBytes(token: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(token)
  return bytes
}

function tokenOf(argument: Uint8Array): number | undefined {
  return argument.length === 4 ? Buffer.from(argument).readUInt32LE() : undefined
}

/** A function that whoever runs the plugin has given it. */
function service(vm: HostVm, context: Context, name: string, argument: Uint8Array): Status | Uint8Array {
  const call = vm.services.foreignFunctions.get(name)
  if (call === undefined) return notFound
  const result = call(argument, (id, bytes) => vm.callBack(context, id, bytes))
  if (result === 'bad-argument') return badArgument
  return result === 'internal-failure' ? internalFailure : result
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
    const bytes = memory.copy(argument, argumentLength)
    const result = act === undefined ? service(vm, context, text, bytes) : act(vm, context, bytes)
    if (typeof result === 'number') return result
    // Who wants no result gives no place for it.
    return outPointer === 0 || outLength === 0 ? ok : vm.give(result, 0, result.length, outPointer, outLength)
  },
  pthread_equal: (left: number, right: number) => (left === right ? 1 : 0),
  emscripten_notify_memory_growth: () => {},
})
