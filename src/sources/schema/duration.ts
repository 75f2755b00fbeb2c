const form = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/
const part = /([0-9]+)(ms|h|m|s)/g
const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

/**
 * Milliseconds of a Gateway API duration (GEP-2257): at most four numbers of
 * up to five digits with units, in any order, summed. Undefined for anything else.
 */
export function parseDuration(text: string): number | undefined {
  if (!form.test(text)) return undefined
  let ms = 0
  for (const [, digits, unit] of text.matchAll(part)) ms += Number(digits) * (unitMs[unit ?? ''] ?? 0)
  return ms
}

/** Milliseconds of a duration that the schema has let through. */
export function durationMs(duration: string): number {
  return parseDuration(duration) ?? 0
}

/** The shortest form, units descending: `1m30s`, `0s`. */
export function formatDuration(ms: number): string {
  let rest = ms
  let text = ''
  for (const [unit, size] of Object.entries(unitMs)) {
    const count = Math.floor(rest / size)
    if (count > 0) text += `${count}${unit}`
    rest -= count * size
  }
  return text === '' ? '0s' : text
}
