import { setFlagsFromString } from 'node:v8'
import type { Cost } from './cost.ts'
import { CelFault } from './values.ts'
import type { CelValue } from './values.ts'

/** The engine's steps are the product of pattern and text. */
const maxPatternLength = 512

/** Patterns come from plugins again and again. */
const kept = 256
const compiled = new Map<string, RegExp | CelFault>()

/**
 * Whether a part of a text is like a pattern. Patterns and texts may both come from clients, so only the engine
 * without backtracking is asked (flag `l`), and what it can't do, such as back references, is a fault.
 */
export function matches([text, pattern]: readonly CelValue[], cost: Cost): CelValue | undefined {
  if (typeof text !== 'string' || typeof pattern !== 'string') return undefined
  if (pattern.length > maxPatternLength) return new CelFault(`a pattern is longer than ${maxPatternLength} characters`)
  cost.spend(1 + (text.length * pattern.length) / 64)
  const expression = patternOf(pattern)
  return expression instanceof CelFault ? expression : expression.test(text)
}

function patternOf(pattern: string): RegExp | CelFault {
  const known = compiled.get(pattern)
  if (known !== undefined) return known
  const expression = compile(pattern)
  if (compiled.size >= kept) compiled.clear()
  compiled.set(pattern, expression)
  return expression
}

function compile(pattern: string): RegExp | CelFault {
  setFlagsFromString('--enable-experimental-regexp-engine')
  try {
    // oxlint-disable-next-line eslint/no-invalid-regexp -- V8's own flag
    return new RegExp(pattern, 'l')
  } catch {
    return new CelFault(`${JSON.stringify(pattern)} is no pattern that can be matched in linear time`)
  }
}
