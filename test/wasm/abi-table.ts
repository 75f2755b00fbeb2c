/**
 * Every host function of the three versions with each of its statuses: the steps
 * by which `abi.test.ts` has a guest ask for them.
 */
import type { Probe, Step } from '../guests/probe.ts'
import { HeaderMap } from '../../src/wasm/index.ts'
import type { statuses } from '../../src/wasm/plugins/abi.ts'
import { request } from '../../src/wasm/plugins/testing.ts'

export type StatusName = keyof typeof statuses

/** What the steps refer to, made before them. */
export interface Made {
  readonly counter: number
  readonly histogram: number
  readonly queue: number
  readonly httpCall: number
  readonly grpcCall: number
  readonly grpcStream: number
}

type StepOf = (probe: Probe, made: Made) => Step
export type Row = Readonly<Partial<Record<StatusName, StepOf>>>

const outside = 0x7fffff00
const badText = [outside, 10] as const
const text = (probe: Probe, value: string): [number, number] => probe.text(value)
const pairs = (probe: Probe, ...fields: readonly [string, string][]): [number, number] =>
  probe.bytes(HeaderMap.of(fields).toPairs())
const where = [
  [':method', 'GET'],
  [':path', '/'],
  [':authority', 'a'],
] as const

const httpCall =
  (upstream: string, fields: readonly (readonly [string, string])[] = where, out?: number): StepOf =>
  probe => [
    'proxy_http_call',
    ...text(probe, upstream),
    ...probe.bytes(HeaderMap.of(fields).toPairs()),
    ...text(probe, ''),
    ...text(probe, ''),
    100,
    out ?? probe.room(),
  ]
const grpc =
  (name: 'proxy_grpc_call' | 'proxy_grpc_stream', upstream: string, out?: number): StepOf =>
  probe => [
    name,
    ...text(probe, upstream),
    ...text(probe, 'shop.Items'),
    ...text(probe, 'Get'),
    ...pairs(probe),
    ...(name === 'proxy_grpc_call' ? [...text(probe, 'ask'), 100] : []),
    out ?? probe.room(),
  ]
const foreign =
  (name: string): StepOf =>
  probe => ['proxy_call_foreign_function', ...text(probe, name), ...text(probe, ''), probe.room(), probe.room()]
/** A map of the request, one that is not there, and one that nobody knows. */
const onMap = (name: string, ...parts: readonly string[]): Row => ({
  ok: probe => [name, 0, ...parts.flatMap(part => text(probe, part))],
  badArgument: probe => [name, 3, ...parts.flatMap(part => text(probe, part))],
  invalidMemoryAccess: () => [name, 0, ...parts.flatMap(() => badText)],
})

/** In the headers' callback of a request, in this order. */
export const inHeaders: Readonly<Record<string, Row>> = {
  proxy_log: {
    ok: probe => ['proxy_log', 2, ...text(probe, 'x')],
    badArgument: probe => ['proxy_log', 6, ...text(probe, 'x')],
    invalidMemoryAccess: () => ['proxy_log', 2, ...badText],
  },
  proxy_get_log_level: {
    ok: probe => ['proxy_get_log_level', probe.room()],
    invalidMemoryAccess: () => ['proxy_get_log_level', outside],
  },
  proxy_get_current_time_nanoseconds: {
    ok: probe => ['proxy_get_current_time_nanoseconds', probe.room(8)],
    invalidMemoryAccess: () => ['proxy_get_current_time_nanoseconds', outside],
  },
  proxy_set_tick_period_milliseconds: { ok: () => ['proxy_set_tick_period_milliseconds', 0] },
  proxy_get_configuration: {
    ok: probe => ['proxy_get_configuration', probe.room(), probe.room()],
    invalidMemoryAccess: probe => ['proxy_get_configuration', outside, probe.room()],
  },
  proxy_get_header_map_pairs: {
    ok: probe => ['proxy_get_header_map_pairs', 0, probe.room(), probe.room()],
    invalidMemoryAccess: probe => ['proxy_get_header_map_pairs', 0, probe.room(), outside],
  },
  proxy_set_header_map_pairs: {
    ok: probe => ['proxy_set_header_map_pairs', 0, ...probe.bytes(request(['x-a', '1']).toPairs())],
    badArgument: probe => ['proxy_set_header_map_pairs', 3, ...pairs(probe)],
    invalidMemoryAccess: () => ['proxy_set_header_map_pairs', 0, ...badText],
  },
  proxy_get_header_map_value: {
    ok: probe => ['proxy_get_header_map_value', 0, ...text(probe, 'x-a'), probe.room(), probe.room()],
    notFound: probe => ['proxy_get_header_map_value', 0, ...text(probe, 'x-none'), probe.room(), probe.room()],
    badArgument: probe => ['proxy_get_header_map_value', 3, ...text(probe, 'x-a'), probe.room(), probe.room()],
    invalidMemoryAccess: probe => ['proxy_get_header_map_value', 0, ...badText, probe.room(), probe.room()],
  },
  proxy_add_header_map_value: onMap('proxy_add_header_map_value', 'x-b', '2'),
  proxy_replace_header_map_value: onMap('proxy_replace_header_map_value', 'x-b', '3'),
  proxy_remove_header_map_value: onMap('proxy_remove_header_map_value', 'x-b'),
  proxy_get_header_map_size: {
    ok: probe => ['proxy_get_header_map_size', 0, probe.room()],
    badArgument: probe => ['proxy_get_header_map_size', 3, probe.room()],
    invalidMemoryAccess: () => ['proxy_get_header_map_size', 0, outside],
  },
  proxy_http_call: {
    ok: httpCall('there'),
    badArgument: httpCall('there', where.slice(1)),
    internalFailure: httpCall('broken'),
    invalidMemoryAccess: httpCall('there', where, outside),
  },
  proxy_grpc_call: {
    ok: grpc('proxy_grpc_call', 'there'),
    parseFailure: grpc('proxy_grpc_call', 'nobody'),
    internalFailure: grpc('proxy_grpc_call', 'broken'),
    invalidMemoryAccess: grpc('proxy_grpc_call', 'there', outside),
  },
  proxy_grpc_stream: {
    ok: grpc('proxy_grpc_stream', 'there'),
    parseFailure: grpc('proxy_grpc_stream', 'nobody'),
    internalFailure: grpc('proxy_grpc_stream', 'broken'),
    invalidMemoryAccess: grpc('proxy_grpc_stream', 'there', outside),
  },
  proxy_grpc_send: {
    ok: (probe, { grpcStream }) => ['proxy_grpc_send', grpcStream, ...text(probe, 'm'), 0],
    notFound: probe => ['proxy_grpc_send', 4002, ...text(probe, 'm'), 0],
    badArgument: (probe, { grpcCall }) => ['proxy_grpc_send', grpcCall, ...text(probe, 'm'), 0],
    invalidMemoryAccess: (_probe, { grpcStream }) => ['proxy_grpc_send', grpcStream, ...badText, 0],
  },
  proxy_grpc_close: {
    ok: (_probe, { grpcStream }) => ['proxy_grpc_close', grpcStream],
    notFound: () => ['proxy_grpc_close', 4002],
    badArgument: (_probe, { httpCall }) => ['proxy_grpc_close', httpCall],
  },
  proxy_grpc_cancel: {
    ok: (_probe, { grpcCall }) => ['proxy_grpc_cancel', grpcCall],
    notFound: () => ['proxy_grpc_cancel', 4002],
    badArgument: (_probe, { httpCall }) => ['proxy_grpc_cancel', httpCall],
  },
  proxy_get_status: {
    ok: probe => ['proxy_get_status', probe.room(), probe.room(), probe.room()],
    invalidMemoryAccess: probe => ['proxy_get_status', outside, probe.room(), probe.room()],
  },
  proxy_set_shared_data: {
    ok: probe => ['proxy_set_shared_data', ...text(probe, 'k'), ...text(probe, 'v'), 0],
    casMismatch: probe => ['proxy_set_shared_data', ...text(probe, 'k'), ...text(probe, 'v'), 9999],
    internalFailure: probe => ['proxy_set_shared_data', ...text(probe, 'k'), ...probe.bytes(new Uint8Array(300)), 0],
    invalidMemoryAccess: probe => ['proxy_set_shared_data', ...badText, ...text(probe, 'v'), 0],
  },
  proxy_get_shared_data: {
    ok: probe => ['proxy_get_shared_data', ...text(probe, 'k'), probe.room(), probe.room(), probe.room()],
    notFound: probe => ['proxy_get_shared_data', ...text(probe, 'none'), probe.room(), probe.room(), probe.room()],
    invalidMemoryAccess: probe => ['proxy_get_shared_data', ...text(probe, 'k'), probe.room(), probe.room(), outside],
  },
  proxy_register_shared_queue: {
    ok: probe => ['proxy_register_shared_queue', ...text(probe, 'q'), probe.room()],
    invalidMemoryAccess: probe => ['proxy_register_shared_queue', ...text(probe, 'q'), outside],
  },
  proxy_resolve_shared_queue: {
    ok: probe => ['proxy_resolve_shared_queue', ...text(probe, ''), ...text(probe, 'q'), probe.room()],
    notFound: probe => ['proxy_resolve_shared_queue', ...text(probe, ''), ...text(probe, 'none'), probe.room()],
    invalidMemoryAccess: probe => ['proxy_resolve_shared_queue', ...text(probe, ''), ...text(probe, 'q'), outside],
  },
  proxy_dequeue_shared_queue: {
    empty: (probe, { queue }) => ['proxy_dequeue_shared_queue', queue, probe.room(), probe.room()],
    notFound: probe => ['proxy_dequeue_shared_queue', 999, probe.room(), probe.room()],
    invalidMemoryAccess: (probe, { queue }) => ['proxy_dequeue_shared_queue', queue, probe.room(), outside],
  },
  proxy_enqueue_shared_queue: {
    ok: (probe, { queue }) => ['proxy_enqueue_shared_queue', queue, ...text(probe, 'item')],
    notFound: probe => ['proxy_enqueue_shared_queue', 999, ...text(probe, 'item')],
    internalFailure: (probe, { queue }) => ['proxy_enqueue_shared_queue', queue, ...probe.bytes(new Uint8Array(300))],
    invalidMemoryAccess: (_probe, { queue }) => ['proxy_enqueue_shared_queue', queue, ...badText],
  },
  proxy_define_metric: {
    ok: probe => ['proxy_define_metric', 0, ...text(probe, 'c'), probe.room()],
    badArgument: probe => ['proxy_define_metric', 3, ...text(probe, 'c'), probe.room()],
    internalFailure: probe => ['proxy_define_metric', 1, ...text(probe, 'c'), probe.room()],
    invalidMemoryAccess: probe => ['proxy_define_metric', 0, ...text(probe, 'c'), outside],
  },
  proxy_increment_metric: {
    ok: (_probe, { counter }) => ['proxy_increment_metric', counter, 1n],
    notFound: () => ['proxy_increment_metric', 999, 1n],
    badArgument: (_probe, { counter }) => ['proxy_increment_metric', counter, 0n],
  },
  proxy_record_metric: {
    ok: (_probe, { histogram }) => ['proxy_record_metric', histogram, 1n],
    notFound: () => ['proxy_record_metric', 999, 1n],
  },
  proxy_get_metric: {
    ok: (probe, { counter }) => ['proxy_get_metric', counter, probe.room(8)],
    notFound: probe => ['proxy_get_metric', 999, probe.room(8)],
    badArgument: (probe, { histogram }) => ['proxy_get_metric', histogram, probe.room(8)],
    invalidMemoryAccess: (_probe, { counter }) => ['proxy_get_metric', counter, outside],
  },
  proxy_get_property: {
    ok: probe => ['proxy_get_property', ...text(probe, 'request\0path'), probe.room(), probe.room()],
    notFound: probe => ['proxy_get_property', ...text(probe, 'no'), probe.room(), probe.room()],
    serializationFailure: probe => ['proxy_get_property', ...text(probe, 'nothing'), probe.room(), probe.room()],
    invalidMemoryAccess: probe => ['proxy_get_property', ...badText, probe.room(), probe.room()],
  },
  proxy_set_property: {
    ok: probe => ['proxy_set_property', ...text(probe, 'p'), ...text(probe, 'v')],
    // It was declared as one that stays.
    badArgument: probe => ['proxy_set_property', ...text(probe, 'fixed'), ...text(probe, 'v')],
    invalidMemoryAccess: probe => ['proxy_set_property', ...text(probe, 'p'), ...badText],
  },
  proxy_call_foreign_function: {
    ok: foreign('echo'),
    notFound: foreign('none'),
    badArgument: foreign('refusing'),
    // Of an expression whose value is null.
    serializationFailure: probe => [
      'proxy_call_foreign_function',
      ...text(probe, 'expr_evaluate'),
      ...probe.bytes(new Uint8Array(4)),
      probe.room(),
      probe.room(),
    ],
    internalFailure: foreign('broken'),
    invalidMemoryAccess: probe => ['proxy_call_foreign_function', ...badText, ...text(probe, ''), 0, 0],
  },
  proxy_done: { notFound: () => ['proxy_done'] },
  proxy_clear_route_cache: { ok: () => ['proxy_clear_route_cache'] },
  proxy_continue_request: { ok: () => ['proxy_continue_request'] },
  proxy_continue_response: { ok: () => ['proxy_continue_response'] },
  proxy_continue_stream: {
    ok: () => ['proxy_continue_stream', 0],
    badArgument: () => ['proxy_continue_stream', 4],
  },
  // Of connections: this stream has no such side.
  proxy_close_stream: {
    ok: () => ['proxy_close_stream', 2],
    badArgument: () => ['proxy_close_stream', 4],
  },
  proxy_set_effective_context: {
    badArgument: () => ['proxy_set_effective_context', 77],
    ok: () => ['proxy_set_effective_context', 1],
  },
}

/** In the body's callback of a request. */
export const inBody: Readonly<Record<string, Row>> = {
  proxy_get_buffer_bytes: {
    ok: probe => ['proxy_get_buffer_bytes', 0, 0, 4, probe.room(), probe.room()],
    notFound: probe => ['proxy_get_buffer_bytes', 1, 0, 4, probe.room(), probe.room()],
    badArgument: probe => ['proxy_get_buffer_bytes', 9, 0, 4, probe.room(), probe.room()],
    invalidMemoryAccess: probe => ['proxy_get_buffer_bytes', 0, 0, 4, probe.room(), outside],
  },
  proxy_get_buffer_status: {
    ok: probe => ['proxy_get_buffer_status', 0, probe.room(), probe.room()],
    notFound: probe => ['proxy_get_buffer_status', 1, probe.room(), probe.room()],
    badArgument: probe => ['proxy_get_buffer_status', 9, probe.room(), probe.room()],
    invalidMemoryAccess: probe => ['proxy_get_buffer_status', 0, probe.room(), outside],
  },
  proxy_set_buffer_bytes: {
    ok: probe => ['proxy_set_buffer_bytes', 0, 0, 0, ...text(probe, 'x')],
    notFound: probe => ['proxy_set_buffer_bytes', 1, 0, 0, ...text(probe, 'x')],
    badArgument: probe => ['proxy_set_buffer_bytes', 9, 0, 0, ...text(probe, 'x')],
    invalidMemoryAccess: () => ['proxy_set_buffer_bytes', 0, 0, 0, ...badText],
  },
  proxy_send_local_response: {
    ok: probe => ['proxy_send_local_response', 403, ...text(probe, 'no'), ...text(probe, ''), ...pairs(probe), -1],
    invalidMemoryAccess: probe => [
      'proxy_send_local_response',
      403,
      ...badText,
      ...text(probe, ''),
      ...text(probe, ''),
      -1,
    ],
  },
}

/** In the root's last tick, when its end was put off. */
export const inEnd: Readonly<Record<string, Row>> = {
  proxy_get_shared_data: {
    ok: probe => ['proxy_get_shared_data', ...text(probe, 'k'), probe.room(), probe.room(), probe.room()],
  },
  proxy_dequeue_shared_queue: {
    ok: (probe, { queue }) => ['proxy_dequeue_shared_queue', queue, probe.room(), probe.room()],
  },
  proxy_set_property: { notFound: probe => ['proxy_set_property', ...text(probe, 'p'), ...text(probe, 'v')] },
  proxy_done: { ok: () => ['proxy_done'] },
}
