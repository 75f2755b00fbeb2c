import { statuses, streamTypes } from '../abi.ts'
import { HeaderMap } from '../../../codec/index.ts'
import { readPairs } from '../pairs.ts'
import type { HostFunctions, HostVm } from './host-vm.ts'

const { ok, notFound, badArgument, invalidMemoryAccess } = statuses

/** What changes the way of a stream; all of it happens after the callback. */
export const streamFunctions: HostFunctions = vm => ({
  proxy_send_local_response(
    status: number,
    details: number,
    detailsLength: number,
    body: number,
    bodyLength: number,
    headers: number,
    headersLength: number,
    grpcStatus: number,
  ) {
    const { memory } = vm
    const context = vm.target()
    if (!memory.has(details, detailsLength) || !memory.has(body, bodyLength) || !memory.has(headers, headersLength))
      return invalidMemoryAccess
    const isAnswered = context.respond({
      status: status >= 200 && status <= 599 ? status : 500,
      details: memory.text(details, detailsLength).replaceAll(/\s/g, '_'),
      headers: readPairs(memory.slice(headers, headersLength)) ?? refusedHeaders(vm),
      body: memory.copy(body, bodyLength),
      grpcStatus: grpcStatus >= 0 && grpcStatus <= 16 ? grpcStatus : undefined,
    })
    if (!isAnswered) vm.log('warn', `the local response ${status} comes too late, or there is no HTTP stream`)
    return ok
  },
  proxy_set_effective_context(id: number) {
    vm.target()
    if (vm.contexts.get(id) === undefined) return badArgument
    vm.effectiveId = id
    return ok
  },
  proxy_set_tick_period_milliseconds(ms: number) {
    vm.target()
    vm.root.setTickPeriod(ms >>> 0)
    return ok
  },
  proxy_done() {
    return vm.target().finishDone() ? ok : notFound
  },
  ...(vm.module.abi === '0.1.0'
    ? {
        proxy_continue_request: () => resume(vm, streamTypes.httpRequest),
        proxy_continue_response: () => resume(vm, streamTypes.httpResponse),
        proxy_clear_route_cache() {
          vm.target().clearRouteCache()
          return ok
        },
      }
    : {
        proxy_continue_stream: (type: number) => resume(vm, type),
        proxy_close_stream(type: number) {
          if (type < 0 || type > 3) return badArgument
          vm.target().closeStream(type)
          return ok
        },
      }),
})

function resume(vm: HostVm, type: number): 0 | 2 {
  if (type < 0 || type > 3) return badArgument
  vm.target().continueStream(type)
  return ok
}

function refusedHeaders(vm: HostVm): HeaderMap {
  vm.log('warn', 'the headers of a local response are malformed; it goes without them')
  return new HeaderMap()
}
