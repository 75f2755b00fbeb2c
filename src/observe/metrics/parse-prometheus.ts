/** A reader of the text format for tests, stricter than Prometheus itself. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface ParsedFamily {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly samples: Sample[]
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/

/**
 * Reads the exposition format 0.0.4. Each family needs HELP, then TYPE, then
 * its samples in one group; histograms need cumulative buckets that end with
 * +Inf and agree with the count.
 *
 * @throws Error with the line
 */
export function parsePrometheus(text: string): ParsedFamily[] {
  if (text === '') return []
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const families: ParsedFamily[] = []
  const seen = new Set<string>()
  let help: RegExpExecArray | undefined
  for (const line of text.slice(0, -1).split('\n')) {
    const helpLine = /^# HELP (\S+) (.*)$/.exec(line)
    const typeLine = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line)
    if (helpLine !== null) {
      help = helpLine
    } else if (typeLine !== null) {
      const [, name = '', type = ''] = typeLine
      if (help?.[1] !== name || !metricName.test(name)) throw new Error(`no HELP before: ${line}`)
      if (seen.has(name)) throw new Error(`family occurs twice: ${line}`)
      seen.add(name)
      families.push({ name, type, help: help[2] ?? '', samples: [] })
      help = undefined
    } else {
      const family = families.at(-1)
      if (family === undefined) throw new Error(`sample before any family: ${line}`)
      family.samples.push(parseSample(line, family))
    }
  }
  for (const family of families) checkFamily(family)
  return families
}

function parseSample(line: string, family: ParsedFamily): Sample {
  const match = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/s.exec(line)
  if (match === null) throw new Error(`not a sample: ${line}`)
  const [, name = '', labelText, valueText = ''] = match
  const suffixes = family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
  if (!suffixes.some(suffix => name === family.name + suffix)) throw new Error(`foreign sample: ${line}`)
  const value = valueText === '+Inf' ? Infinity : Number(valueText)
  if (Number.isNaN(value)) throw new Error(`not a number: ${line}`)
  return { name, labels: labelText === undefined ? {} : parseLabels(labelText, line), value }
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {}
  const pair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"(,|$)/y
  while (pair.lastIndex < text.length) {
    const at = pair.lastIndex
    const match = pair.exec(text)
    if (match === null) throw new Error(`bad labels at ${at}: ${line}`)
    const [, name = '', value = '', comma] = match
    if (name in labels) throw new Error(`label ${name} occurs twice: ${line}`)
    if (comma === ',' && pair.lastIndex === text.length) throw new Error(`comma at the end: ${line}`)
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  return labels
}

function checkFamily(family: ParsedFamily): void {
  const keys = new Set<string>()
  const buckets = new Map<string, Sample[]>()
  for (const sample of family.samples) {
    const key = sample.name + canonical(sample.labels)
    if (keys.has(key)) throw new Error(`series occurs twice: ${key}`)
    keys.add(key)
    if (family.type !== 'histogram') continue
    const { le, ...rest } = sample.labels
    if ((le !== undefined) !== sample.name.endsWith('_bucket')) throw new Error(`le out of place: ${key}`)
    const series = canonical(rest)
    buckets.set(series, [...(buckets.get(series) ?? []), sample])
  }
  for (const [series, samples] of buckets) checkHistogram(`${family.name}${series}`, samples)
}

/** The same text for the same labels, whatever their order. */
function canonical(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const sum = samples.at(-2)
  const count = samples.at(-1)
  if (!sum?.name.endsWith('_sum') || !count?.name.endsWith('_count')) throw new Error(`no sum and count: ${name}`)
  let bound = -Infinity
  let below = 0
  for (const sample of samples.slice(0, -2)) {
    const le = sample.labels['le'] === '+Inf' ? Infinity : Number(sample.labels['le'])
    if (!(le > bound) || sample.value < below) throw new Error(`buckets are not cumulative: ${name}`)
    bound = le
    below = sample.value
  }
  if (bound !== Infinity || below !== count.value) throw new Error(`the last bucket is not the count: ${name}`)
}
