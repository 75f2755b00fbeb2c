import type { CelFunction } from './cost.ts'
import { ranged } from './operators.ts'
import { durationOf, textOfTime, timestampOf } from './times.ts'
import { CelFault, CelTime, CelUint, numberOf } from './values.ts'
import type { CelValue } from './values.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function integer(value: CelValue, type: 'int' | 'uint'): CelValue | undefined {
  const number = numberOf(value)
  if (typeof number === 'bigint') return ranged(number, type)
  if (number !== undefined)
    return Number.isFinite(number) ? ranged(BigInt(Math.trunc(number)), type) : new CelFault(`${type} of ${number}`)
  if (typeof value === 'string')
    return /^[+-]?\d{1,20}$/.test(value) ? ranged(BigInt(value), type) : new CelFault(`a text is no ${type}`)
  const isTimestamp = value instanceof CelTime && value.kind === 'timestamp' && type === 'int'
  return isTimestamp ? value.nanoseconds / 1_000_000_000n : undefined
}

function double(value: CelValue): CelValue | undefined {
  const number = numberOf(value)
  if (number !== undefined) return Number(number)
  if (typeof value !== 'string') return undefined
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value) ? Number(value) : new CelFault('a text is no double')
}

function string(value: CelValue): CelValue | undefined {
  if (typeof value === 'string') return value
  const number = numberOf(value)
  if (number !== undefined) return String(number)
  if (typeof value === 'boolean') return String(value)
  if (value instanceof CelTime) return textOfTime(value)
  if (!(value instanceof Uint8Array)) return undefined
  try {
    return utf8.decode(value)
  } catch {
    return new CelFault('bytes are no UTF-8')
  }
}

function bool(value: CelValue): CelValue | undefined {
  if (typeof value === 'boolean') return value
  if (typeof value !== 'string') return undefined
  if (['1', 't', 'true', 'TRUE', 'True'].includes(value)) return true
  return ['0', 'f', 'false', 'FALSE', 'False'].includes(value) ? false : new CelFault('a text is no bool')
}

/** Sizes are those of what goes in. */
function sized(convert: (value: CelValue) => CelValue | undefined): CelFunction {
  return ([value = null], cost) => {
    if (typeof value === 'string' || value instanceof Uint8Array) cost.spendLength(value.length)
    return convert(value)
  }
}

export const conversions: readonly (readonly [string, CelFunction])[] = [
  ['int', sized(value => integer(value, 'int'))],
  ['uint', sized(value => (value instanceof CelUint ? value : integer(value, 'uint')))],
  ['double', sized(double)],
  ['string', sized(string)],
  ['bool', sized(bool)],
  [
    'bytes',
    sized(value => {
      if (typeof value === 'string') return Buffer.from(value, 'utf8')
      return value instanceof Uint8Array ? value : undefined
    }),
  ],
  ['timestamp', sized(timestampOf)],
  ['duration', sized(durationOf)],
]
