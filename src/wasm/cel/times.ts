import type { CelFunction } from './cost.ts'
import { CelFault, CelTime } from './values.ts'
import type { CelValue } from './values.ts'

const second = 1_000_000_000n

/** `2026-11-26T21:57:29.5Z`, or seconds since 1970. */
export function timestampOf(value: CelValue): CelValue | undefined {
  if (value instanceof CelTime) return value.kind === 'timestamp' ? value : undefined
  if (typeof value === 'bigint') return new CelTime('timestamp', value * second)
  if (typeof value !== 'string') return undefined
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(value)
  const milliseconds = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`)
  if (Number.isNaN(milliseconds)) return new CelFault('a text is no timestamp')
  return new CelTime('timestamp', BigInt(milliseconds) * 1_000_000n + BigInt((match?.[2] ?? '').padEnd(9, '0')))
}

const units: Readonly<Record<string, bigint>> = {
  h: 3600n * second,
  m: 60n * second,
  s: second,
  ms: 1_000_000n,
  us: 1000n,
  ns: 1n,
}

/** `1h30m`, `-1.5s`. */
export function durationOf(value: CelValue): CelValue | undefined {
  if (value instanceof CelTime) return value.kind === 'duration' ? value : undefined
  if (typeof value !== 'string') return undefined
  if (value.length > 64 || !/^[+-]?(?:\d+(?:\.\d{1,9})?(?:h|ms|m|s|us|ns))+$/.test(value))
    return value === '0' ? new CelTime('duration', 0n) : new CelFault('a text is no duration')
  let nanoseconds = 0n
  for (const [, whole = '0', part = '', unit = 's'] of value.matchAll(/(\d+)(?:\.(\d+))?(h|ms|m|s|us|ns)/g)) {
    const size = units[unit] ?? 0n
    nanoseconds += BigInt(whole) * size + (BigInt(part === '' ? 0 : part) * size) / 10n ** BigInt(part.length)
  }
  return new CelTime('duration', value.startsWith('-') ? -nanoseconds : nanoseconds)
}

export function textOfTime({ kind, nanoseconds }: CelTime): CelValue {
  const [whole, part] = [nanoseconds / second, nanoseconds % second]
  const fraction =
    part === 0n
      ? ''
      : `.${String(part < 0n ? -part : part)
          .padStart(9, '0')
          .replace(/0+$/, '')}`
  if (kind === 'duration') return `${whole === 0n && part < 0n ? '-' : ''}${whole}${fraction}s`
  const date = dateOf(nanoseconds)
  if (date === undefined) return new CelFault('a timestamp is out of range')
  const subseconds = ((nanoseconds % second) + second) % second
  const digits = subseconds === 0n ? '' : `.${String(subseconds).padStart(9, '0').replace(/0+$/, '')}`
  return `${date.toISOString().slice(0, 19)}${digits}Z`
}

function dateOf(nanoseconds: bigint): Date | undefined {
  const date = new Date(Number(floorDivided(nanoseconds, 1_000_000n)))
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1 || date.getUTCFullYear() > 9999 ? undefined : date
}

function floorDivided(value: bigint, by: bigint): bigint {
  return value / by - (value % by < 0n ? 1n : 0n)
}

/** Parts of a timestamp, in UTC. */
const parts: Readonly<Record<string, (date: Date) => number>> = {
  getFullYear: date => date.getUTCFullYear(),
  getMonth: date => date.getUTCMonth(),
  getDate: date => date.getUTCDate(),
  getDayOfMonth: date => date.getUTCDate() - 1,
  getDayOfWeek: date => date.getUTCDay(),
  getDayOfYear: date =>
    Math.floor(
      (Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) - Date.UTC(date.getUTCFullYear())) /
        86_400_000,
    ),
  getHours: date => date.getUTCHours(),
  getMinutes: date => date.getUTCMinutes(),
  getSeconds: date => date.getUTCSeconds(),
  getMilliseconds: date => date.getUTCMilliseconds(),
}

/** How often a unit is in a duration; of milliseconds those beyond its seconds. */
const wholes: Readonly<Record<string, (nanoseconds: bigint) => bigint>> = {
  getHours: nanoseconds => nanoseconds / (3600n * second),
  getMinutes: nanoseconds => nanoseconds / (60n * second),
  getSeconds: nanoseconds => nanoseconds / second,
  getMilliseconds: nanoseconds => (nanoseconds % second) / 1_000_000n,
}

export const timeFunctions: readonly (readonly [string, CelFunction])[] = Object.entries(parts).map(([name, part]) => [
  `.${name}`,
  ([time]) => {
    if (!(time instanceof CelTime)) return undefined
    if (time.kind === 'duration') return wholes[name]?.(time.nanoseconds)
    const date = dateOf(time.nanoseconds)
    return date === undefined ? new CelFault('a timestamp is out of range') : BigInt(part(date))
  },
])
