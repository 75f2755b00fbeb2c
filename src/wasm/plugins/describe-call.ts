import type { GuestMemory } from '../engine/guest-memory.ts'
import { bufferTypes, logLevels, mapTypes, metricKinds, statuses, streamTypes } from './abi.ts'
import { readPairs } from './pairs.ts'

/** A host call in words. */
export interface DescribedCall {
  readonly name: string
  readonly parameters: readonly unknown[]
  /** `ok`, `not-found`, …; a number for what has no status. */
  readonly status: unknown
  /** What the plugin got. */
  readonly results: readonly unknown[]
}

/**
 * What the parameters are, in their order. `text` and `pairs` are a place and a
 * length; `>` marks what comes back: `>text` and `>pairs` in two parameters,
 * `>u32` and `>u64` in one.
 */
const signatures: Readonly<Record<string, string>> = {
  proxy_log: 'level text',
  proxy_get_log_level: '>u32',
  proxy_get_current_time_nanoseconds: '>u64',
  proxy_set_tick_period_milliseconds: 'number',
  proxy_get_configuration: '>text',
  proxy_get_buffer_bytes: 'buffer number number >text',
  proxy_get_buffer_status: 'buffer >u32 >u32',
  proxy_set_buffer_bytes: 'buffer number number text',
  proxy_get_header_map_pairs: 'map >pairs',
  proxy_set_header_map_pairs: 'map pairs',
  proxy_get_header_map_value: 'map text >text',
  proxy_add_header_map_value: 'map text text',
  proxy_replace_header_map_value: 'map text text',
  proxy_remove_header_map_value: 'map text',
  proxy_get_header_map_size: 'map >u32',
  proxy_continue_stream: 'stream',
  proxy_close_stream: 'stream',
  proxy_send_local_response: 'number text text pairs number',
  proxy_http_call: 'text pairs text pairs number >u32',
  proxy_grpc_call: 'text text text pairs text number >u32',
  proxy_grpc_stream: 'text text text pairs >u32',
  proxy_grpc_send: 'number text number',
  proxy_get_status: '>u32 >text',
  proxy_get_shared_data: 'text >text >u32',
  proxy_set_shared_data: 'text text number',
  proxy_register_shared_queue: 'text >u32',
  proxy_resolve_shared_queue: 'text text >u32',
  proxy_enqueue_shared_queue: 'number text',
  proxy_dequeue_shared_queue: 'number >text',
  proxy_define_metric: 'metric text >u32',
  proxy_get_metric: 'number >u64',
  proxy_get_property: 'path >text',
  proxy_set_property: 'path text',
  proxy_call_foreign_function: 'text text >text',
}

export function describeCall(
  name: string,
  parameters: readonly (number | bigint)[],
  result: unknown,
  memory: GuestMemory,
): DescribedCall {
  const isStatus = name.startsWith('proxy_')
  const status = isStatus ? nameOf(statuses, Number(result)) : result
  const given: unknown[] = []
  const results: unknown[] = []
  let at = 0
  const next = (): number => Number(parameters[at++])
  for (const kind of (signatures[name] ?? 'number '.repeat(parameters.length).trim()).split(' ')) {
    if (kind === '') continue
    if (!kind.startsWith('>')) given.push(describe(kind, next, memory))
    else if (kind === '>u32' || kind === '>u64') {
      const place = next()
      if (result === statuses.ok) results.push(kind === '>u32' ? u32(memory, place) : u64(memory, place))
    } else {
      const [pointer, length] = [next(), next()]
      if (result === statuses.ok)
        results.push(bytesAt(kind.slice(1), u32(memory, pointer), u32(memory, length), memory))
    }
  }
  return { name, parameters: given, status, results }
}

function describe(kind: string, next: () => number, memory: GuestMemory): unknown {
  switch (kind) {
    case 'text':
    case 'pairs':
    case 'path':
      return bytesAt(kind, next(), next(), memory)
    case 'level':
      return logLevels[next()] ?? 'unknown'
    case 'map':
      return nameOf(mapTypes, next())
    case 'buffer':
      return nameOf(bufferTypes, next())
    case 'stream':
      return nameOf(streamTypes, next())
    case 'metric':
      return metricKinds[next()] ?? 'unknown'
    default:
      return next()
  }
}

/** What is no text is told in hexadecimal digits. */
function bytesAt(kind: string, pointer: number, length: number, memory: GuestMemory): unknown {
  if (!memory.has(pointer, length)) return `${length} bytes outside of the memory`
  const bytes = memory.copy(pointer, length)
  if (kind === 'pairs') {
    const pairs = readPairs(bytes)
    return pairs === undefined ? 'malformed' : [...pairs].map(([name, value]) => `${name}: ${value}`)
  }
  const text = bytes.toString('utf8')
  if (kind === 'path') return text.replace(/\0$/, '').replaceAll('\0', '.')
  // oxlint-disable-next-line no-control-regex
  return /[\0-\x08\x0e-\x1f\ufffd]/.test(text) ? `0x${bytes.toString('hex')}` : text
}

function u32(memory: GuestMemory, place: number): number {
  return memory.has(place, 4) ? memory.u32(place) : 0
}

function u64(memory: GuestMemory, place: number): string {
  return memory.has(place, 8) ? String(memory.view.getBigUint64(place >>> 0, true)) : '0'
}

/** Words of a name, `notFound` as `not-found`. */
function nameOf(table: Readonly<Record<string, number>>, value: number): string {
  const name = Object.keys(table).find(key => table[key] === value)
  return name === undefined ? `unknown ${value}` : name.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}
