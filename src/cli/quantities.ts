/** Numbers as people read them: never more than five letters for a rate or a time. */

/** `0`, `0.4`, `12`, `1.5k` per second. */
export function formatRate(perSecond: number): string {
  if (perSecond <= 0) return '0'
  if (perSecond < 10) return perSecond.toFixed(1)
  if (perSecond < 1_000) return String(Math.round(perSecond))
  return perSecond < 99_950 ? `${(perSecond / 1_000).toFixed(1)}k` : `${Math.round(perSecond / 1_000)}k`
}

/** `-`, `0.40ms`, `12ms`, `1.5s`; null is unknown. */
export function formatLatency(seconds: number | null): string {
  if (seconds === null) return '-'
  const ms = seconds * 1_000
  if (ms < 1) return `${ms.toFixed(2)}ms`
  if (ms < 10) return `${ms.toFixed(1)}ms`
  return ms < 1_000 ? `${Math.round(ms)}ms` : `${seconds.toFixed(1)}s`
}

/** `0%`, `0.1%`, `12%` of a share from 0 to 1. */
export function formatShare(share: number): string {
  const percent = share * 100
  if (percent === 0) return '0%'
  return percent < 10 ? `${percent.toFixed(1)}%` : `${Math.round(percent)}%`
}

/** `42s`, `3m 5s`, `2h 7m`, `4d 3h` */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  if (whole < 60) return `${whole}s`
  if (whole < 3_600) return `${Math.floor(whole / 60)}m ${whole % 60}s`
  if (whole < 86_400) return `${Math.floor(whole / 3_600)}h ${Math.floor((whole % 3_600) / 60)}m`
  return `${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3_600)}h`
}

const bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** The newest values as bars, the highest of them full; spaces where nothing is known yet. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width)
  const top = Math.max(0, ...shown)
  const line = shown.map(value => (top === 0 ? bars[0] : bars[Math.min(7, Math.round((value / top) * 7))]))
  return line.join('').padStart(width)
}
