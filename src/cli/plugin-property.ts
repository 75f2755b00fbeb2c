import type { PropertyValue } from '../wasm/index.ts'

/** What Envoy's attributes are where they are no text. */
const types: Readonly<Record<string, PropertyType>> = {
  'request.time': 'time',
  'request.duration': 'duration',
  'request.size': 'int',
  'request.total_size': 'int',
  'response.code': 'int',
  'response.flags': 'int',
  'response.grpc_status': 'int',
  'response.backend_latency': 'duration',
  'source.port': 'int',
  'destination.port': 'int',
  'connection.id': 'int',
  connection_id: 'int',
  'connection.mtls': 'bool',
  'upstream.port': 'int',
  'upstream.request_attempt_count': 'int',
  'upstream.num_endpoints': 'int',
  'upstream.cx_pool_ready_duration': 'duration',
  'xds.listener_direction': 'int',
  listener_direction: 'int',
}

type PropertyType = 'string' | 'bytes' | 'int' | 'double' | 'bool' | 'time' | 'duration'

const units = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 } as const

const readers: Readonly<Record<PropertyType, (text: string) => PropertyValue | undefined>> = {
  string: text => text,
  bytes: text => (/^(?:[\da-fA-F]{2})*$/.test(text) ? Buffer.from(text, 'hex') : undefined),
  int: text => (/^-?\d{1,20}$/.test(text) ? BigInt(text) : undefined),
  double: text => (/^-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined),
  bool: text => (text === 'true' ? true : text === 'false' ? false : undefined),
  time(text) {
    const ms = Date.parse(text)
    return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n
  },
  duration(text) {
    const [, count, unit] = /^(-?\d+(?:\.\d+)?)(ns|us|ms|s|m|h)$/.exec(text) ?? []
    return count === undefined ? undefined : BigInt(Math.round(Number(count) * units[unit as keyof typeof units]))
  },
}

/**
 * Reads `source.port=80`, or with its type `my.limit:int=5`; without one attributes have their own, and all else is
 * text.
 *
 * @returns what is wrong with it where it is no property
 */
export function readProperty(text: string): readonly [string, PropertyValue] | { readonly problem: string } {
  const match = /^([^=:]+)(?::([^=]*))?=([^]*)$/.exec(text)
  if (match === null) return { problem: `is NAME=VALUE or NAME:TYPE=VALUE, not ${JSON.stringify(text)}` }
  const [, name = '', given, value = ''] = match
  const type = given ?? (Object.hasOwn(types, name) ? types[name] : undefined) ?? 'string'
  if (!isType(type)) return { problem: `has the types ${Object.keys(readers).join(', ')}, not ${JSON.stringify(type)}` }
  const read = readers[type](value)
  return read === undefined ? { problem: `${name} is of the type ${type}, not ${JSON.stringify(value)}` } : [name, read]
}

function isType(type: string): type is PropertyType {
  return Object.hasOwn(readers, type)
}
