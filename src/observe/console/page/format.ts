/** Requests per second, short. */
export function formatRate(perSecond: number): string {
  if (perSecond === 0) return '0'
  if (perSecond < 0.1) return '<0.1'
  if (perSecond < 10) return perSecond.toFixed(1)
  return Math.round(perSecond).toLocaleString('en-GB')
}

/** A latency; a dash without one. */
export function formatSeconds(seconds: number | null): string {
  if (seconds === null) return '–'
  const ms = seconds * 1000
  if (ms < 1) return `${ms.toFixed(2)} ms`
  if (ms < 9.95) return `${ms.toFixed(1)} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  return `${seconds.toFixed(seconds < 9.95 ? 2 : 1)} s`
}

export function formatShare(ratio: number): string {
  const percent = ratio * 100
  if (percent === 0) return '0%'
  if (percent < 0.1) return '<0.1%'
  return `${percent < 9.95 ? percent.toFixed(1) : Math.round(percent)}%`
}

export function formatUptime(seconds: number): string {
  const whole = Math.floor(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min`
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`
}

/** How bad a share of errors is. */
export function errorLevel(ratio: number): 'good' | 'warn' | 'bad' {
  if (ratio >= 0.05) return 'bad'
  return ratio >= 0.005 ? 'warn' : 'good'
}

/** Cuts a text to a width, at the given width of a character, since SVG does not. */
export function fitText(text: string, width: number, characterWidth: number): string {
  const characters = Math.max(1, Math.floor(width / characterWidth))
  return text.length <= characters ? text : `${text.slice(0, characters - 1)}…`
}

/** The points of a sparkline as an SVG path, newest at the right; at least one request per second is the full height. */
export function sparkPath(values: readonly number[], width: number, height: number, slots: number): string {
  if (values.length < 2) return ''
  const top = Math.max(1, ...values)
  const step = width / (slots - 1)
  const start = width - (values.length - 1) * step
  return values
    .map((value, index) => {
      const x = (start + index * step).toFixed(1)
      const y = (height - 1 - (value / top) * (height - 2)).toFixed(1)
      return `${index === 0 ? 'M' : 'L'}${x} ${y}`
    })
    .join('')
}
