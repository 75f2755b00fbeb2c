import { statuses } from '../abi.ts'
import type { Status } from '../abi.ts'
import { readPairs } from '../pairs.ts'
import type { CallRefusal } from '../ports.ts'
import type { HostFunctions, HostVm } from './host-vm.ts'

const { ok, badArgument, parseFailure, internalFailure, invalidMemoryAccess } = statuses

/** Calls to other services. They belong to the root context and outlive the stream that made them. */
export const calloutFunctions: HostFunctions = vm => ({
  proxy_http_call(
    upstream: number,
    upstreamLength: number,
    headers: number,
    headersLength: number,
    body: number,
    bodyLength: number,
    trailers: number,
    trailersLength: number,
    timeoutMs: number,
    out: number,
  ) {
    vm.target()
    const { memory } = vm
    if (!memory.has(upstream, upstreamLength) || !memory.has(headers, headersLength)) return invalidMemoryAccess
    if (!memory.has(body, bodyLength) || !memory.has(trailers, trailersLength) || !memory.has(out, 4))
      return invalidMemoryAccess
    const name = memory.text(upstream, upstreamLength)
    const fields = readPairs(memory.slice(headers, headersLength))
    const ends = readPairs(memory.slice(trailers, trailersLength))
    const missing = [':method', ':path', ':authority'].find(key => fields?.get(key) === undefined)
    if (fields === undefined || ends === undefined) return refuse(vm, name, 'its headers are malformed', badArgument)
    if (missing !== undefined) return refuse(vm, name, `it has no ${missing}`, badArgument)
    if (timeoutMs < 0) return refuse(vm, name, 'its timeout is negative', badArgument)
    const copied = memory.copy(body, bodyLength)
    if (copied.length > 0) fields.set('content-length', String(copied.length))
    const call = { upstream: name, headers: fields, body: copied, trailers: ends, timeoutMs }
    return told(vm, name, vm.root.httpCall(call), out, badArgument)
  },
  proxy_grpc_call(
    upstream: number,
    upstreamLength: number,
    service: number,
    serviceLength: number,
    method: number,
    methodLength: number,
    metadata: number,
    metadataLength: number,
    message: number,
    messageLength: number,
    timeoutMs: number,
    out: number,
  ) {
    if (!vm.memory.has(message, messageLength)) return invalidMemoryAccess
    const names = [upstream, upstreamLength, service, serviceLength, method, methodLength] as const
    const copied = vm.memory.copy(message, messageLength)
    return grpc(vm, names, [metadata, metadataLength], out, timeoutMs >>> 0, copied)
  },
  proxy_grpc_stream(
    upstream: number,
    upstreamLength: number,
    service: number,
    serviceLength: number,
    method: number,
    methodLength: number,
    metadata: number,
    metadataLength: number,
    out: number,
  ) {
    const names = [upstream, upstreamLength, service, serviceLength, method, methodLength] as const
    return grpc(vm, names, [metadata, metadataLength], out, 0, undefined)
  },
  proxy_grpc_send(id: number, message: number, length: number, end: number) {
    vm.target()
    if (!vm.memory.has(message, length)) return invalidMemoryAccess
    return vm.root.grpcSend(id, vm.memory.copy(message, length), end === 0 ? 'more' : 'end')
  },
  proxy_grpc_cancel(id: number) {
    vm.target()
    return vm.root.grpcEnd(id, 'cancel')
  },
  proxy_grpc_close(id: number) {
    vm.target()
    return vm.root.grpcEnd(id, 'end')
  },
  proxy_get_status(outCode: number, outPointer: number, outLength: number) {
    vm.target()
    if (!vm.memory.has(outCode, 4)) return invalidMemoryAccess
    const { code, message } = vm.root.lastStatus
    const bytes = Buffer.from(message, 'utf8')
    const status = vm.give(bytes, 0, bytes.length, outPointer, outLength)
    if (status === ok) vm.memory.setU32(outCode, code)
    return status
  },
})

type Names = readonly [number, number, number, number, number, number]

function grpc(
  vm: HostVm,
  [upstream, upstreamLength, service, serviceLength, method, methodLength]: Names,
  [metadata, metadataLength]: readonly [number, number],
  out: number,
  timeoutMs: number,
  message: Uint8Array | undefined,
): Status {
  vm.target()
  const { memory } = vm
  if (!memory.has(upstream, upstreamLength) || !memory.has(service, serviceLength)) return invalidMemoryAccess
  if (!memory.has(method, methodLength) || !memory.has(metadata, metadataLength) || !memory.has(out, 4))
    return invalidMemoryAccess
  const name = grpcUpstream(memory.slice(upstream, upstreamLength))
  const fields = readPairs(memory.slice(metadata, metadataLength))
  if (fields === undefined) return refuse(vm, name, 'its metadata is malformed', internalFailure)
  const call = {
    upstream: name,
    service: memory.text(service, serviceLength),
    method: memory.text(method, methodLength),
    metadata: fields,
    timeoutMs,
  }
  return told(vm, name, vm.root.grpcCall(call, message), out, parseFailure)
}

/** @param unknown  what plugins expect for an upstream that nobody knows */
function told(vm: HostVm, name: string, result: number | CallRefusal, out: number, unknown: Status): Status {
  if (typeof result !== 'number')
    return refuse(vm, name, result.detail, result.refused === 'unknown-upstream' ? unknown : internalFailure)
  vm.memory.setU32(out, result)
  return ok
}

function refuse(vm: HostVm, upstream: string, reason: string, status: Status): Status {
  vm.log('warn', `a call to ${upstream} is not sent: ${reason}`)
  return status
}

/**
 * A name, or the one in an `envoy.config.core.v3.GrpcService` with `envoy_grpc`,
 * which is what some SDKs send: field 1 in field 1.
 */
function grpcUpstream(bytes: Uint8Array): string {
  const nameLength = bytes[3] ?? 0
  const isMessage = bytes[0] === 0x0a && bytes[2] === 0x0a && nameLength + 2 <= (bytes[1] ?? 0)
  const text = isMessage ? bytes.subarray(4, 4 + nameLength) : bytes
  return Buffer.from(text).toString('utf8')
}
