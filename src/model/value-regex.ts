/**
 * Regular expressions of matches (`RegularExpression`, an implementation's own
 * dialect by the specification). Ours is what RE2 and ECMAScript agree on, so
 * that a file moves between gateways without changing its meaning, and so that
 * an engine without backtracking can take over: no look-around, no back
 * references, no flags, and no escape that one of the two reads differently.
 *
 * A pattern comes from the operator, the tested value from anyone. ECMAScript's
 * engine backtracks, so a value longer than `maxTestedLength` never matches, and
 * the agent should run with V8's fallback to its linear engine.
 */

/** The longest header value the API allows; longer patterns are a mistake or an attack on compile time. */
const maxPatternLength = 4096
/** As RE2: each repetition is unrolled, so a large count is a large program. */
const maxRepetition = 1000
/** A value this long is no version, tenant or path; testing it could cost time that grows faster than its length. */
export const maxTestedLength: number = 8 * 1024

/** Escapes of letters and digits with the same meaning in RE2 and ECMAScript. */
const sharedEscapes = 'dDwWsSbBtnrfvx'

/** What is wrong with a pattern, one sentence without a final stop; undefined for nothing. */
export function validateRegex(pattern: string): string | undefined {
  if (pattern.length > maxPatternLength) return `is longer than ${maxPatternLength} characters`
  const problem = scanSyntax(pattern)
  if (problem !== undefined) return problem
  try {
    // The pattern by itself, since `a)(b` is whole only inside our own brackets.
    void new RegExp(pattern)
    return undefined
  } catch (error) {
    // The engine's message repeats the pattern; its last part is the reason.
    const reason = error instanceof Error ? error.message.replace(/^.*\/: /, '') : 'unknown reason'
    return `is not a regular expression: ${reason}`
  }
}

/** Matches whole values only. A pattern that `validateRegex` refuses matches nothing. */
export function compileRegex(pattern: string): RegExp {
  return validateRegex(pattern) === undefined ? new RegExp(wrap(pattern)) : /(?!)/
}

export function testRegex(regex: RegExp, value: string): boolean {
  return value.length <= maxTestedLength && regex.test(value)
}

function wrap(pattern: string): string {
  return `^(?:${pattern})$`
}

function scanSyntax(pattern: string): string | undefined {
  let inClass = false
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? ''
    if (char === '\\') {
      const escaped = pattern[++at] ?? ''
      if (/[A-Za-z0-9]/.test(escaped) && !sharedEscapes.includes(escaped)) return escapeProblem(escaped)
    } else if (inClass) {
      if (char === ']') inClass = false
      else if (char === '[' && pattern[at + 1] === ':') return 'uses a POSIX class such as [:alpha:]; write a-zA-Z'
    } else if (char === '[') {
      inClass = true
      if (pattern[at + 1] === ']' || pattern.startsWith('^]', at + 1))
        return 'has a class that starts with ]; write \\]'
    } else if (char === '(' && pattern[at + 1] === '?') {
      if (pattern[at + 2] !== ':')
        return 'uses (?…) other than (?:…); look-around, flags and named groups are not supported'
    } else if (char === '{') {
      const counts = /^\{(\d+)(?:,(\d*))?\}/.exec(pattern.slice(at, at + 32))
      if (counts === null) return 'has a { that starts no repetition; write \\{'
      if (Number(counts[1]) > maxRepetition || Number(counts[2] ?? 0) > maxRepetition) {
        return `repeats more than ${maxRepetition} times`
      }
    }
  }
  return undefined
}

function escapeProblem(escaped: string): string {
  if (/[1-9k]/.test(escaped)) return `uses the back reference \\${escaped}, which is not supported`
  return `uses the escape \\${escaped}, which is not supported`
}
