import { didYouMean } from '../reconcile/name-index.ts'

/**
 * A small language for what a resource may look like. A shape reads an unknown
 * value and gives back a typed copy with defaults filled in; everything wrong
 * goes to the `Reading` with its path, and reading goes on. So one run finds
 * all mistakes. A rule looks at several fields at once and runs as soon as the
 * fields it names are sound, whatever else is wrong.
 */
export interface Shape<T> {
  /** In words, after "expected": `a list`. */
  readonly expects: string
  /** Undefined after it has told the reading what is wrong. */
  read(value: unknown, reading: Reading): T | undefined
}

/** One thing wrong, not yet bound to a resource and a file. */
export interface Finding {
  readonly severity: 'error' | 'warning'
  readonly path: string
  readonly message: string
}

/** Collects findings and knows where the reader stands. */
export class Reading {
  readonly findings: Finding[] = []
  readonly #path: (string | number)[] = []

  enter(segment: string | number): void {
    this.#path.push(segment)
  }
  leave(): void {
    this.#path.pop()
  }
  /** @param below  segments from here to the culprit */
  error(message: string, ...below: readonly (string | number)[]): void {
    this.findings.push({ severity: 'error', path: formatPath([...this.#path, ...below]), message })
  }
  warning(message: string, ...below: readonly (string | number)[]): void {
    this.findings.push({ severity: 'warning', path: formatPath([...this.#path, ...below]), message })
  }
}

/** `spec.rules[2].backendRefs[0]`; keys that are no plain words stand in quotes: `metadata.labels["app/x"]`. */
export function formatPath(segments: readonly (string | number)[]): string {
  let path = ''
  for (const segment of segments) {
    if (typeof segment === 'number') path += `[${segment}]`
    else if (!/^[A-Za-z_][\w-]*$/.test(segment)) path += `[${JSON.stringify(segment)}]`
    else path += path === '' ? segment : `.${segment}`
  }
  return path
}

/** What was found, for people; long texts are cut. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'string') return value === '' ? 'empty text' : `text ${quote(value)}`
  if (typeof value === 'number') return `number ${value}`
  return typeof value === 'boolean' ? String(value) : typeof value
}

export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text)
}

/** Cutting long words short keeps a hostile key from costing seconds. */
export function suggest(word: string, known: Iterable<string>): string {
  return word.length > 64 ? '' : didYouMean(word, known)
}

function mismatch(shape: { readonly expects: string }, value: unknown, reading: Reading): undefined {
  reading.error(`expected ${shape.expects}, found ${describe(value)}`)
  return undefined
}

// Scalars

export interface StringOptions {
  /** @default 0 */
  readonly min?: number
  readonly max?: number
  readonly pattern?: RegExp
  /** What the pattern wants, after "expected": `a lower-case DNS name`. */
  readonly about?: string
}

export function string(options: StringOptions = {}): Shape<string> {
  const { min = 0, max = Infinity, pattern, about = 'text' } = options
  return {
    expects: about,
    read(value, reading) {
      if (typeof value !== 'string') {
        const hint = typeof value === 'number' || typeof value === 'boolean' ? '; put it in quotes' : ''
        reading.error(`expected ${about}, found ${describe(value)}${hint}`)
        return undefined
      }
      if (value.length < min) {
        reading.error(value === '' ? `must not be empty` : `is shorter than ${min} characters`)
      } else if (value.length > max) {
        reading.error(`has ${value.length} characters, at most ${max} are allowed`)
      } else if (pattern !== undefined && !pattern.test(value)) {
        reading.error(`expected ${about}, found ${quote(value)}`)
      } else {
        return value
      }
      return undefined
    },
  }
}

export function enumeration<T extends string>(...values: readonly T[]): Shape<T> {
  const known: ReadonlySet<string> = new Set(values)
  const shape: Shape<T> = {
    expects: values.length === 1 ? quote(values[0] ?? '') : `one of ${values.join(', ')}`,
    read(value, reading) {
      if (typeof value !== 'string') return mismatch(shape, value, reading)
      if (known.has(value)) return value as T
      reading.error(`expected ${shape.expects}, found ${quote(value)}${suggest(value, values)}`)
      return undefined
    },
  }
  return shape
}

/** Whole numbers of an inclusive range. */
export function integer(min: number, max: number = 2_147_483_647): Shape<number> {
  const shape: Shape<number> = {
    expects: `a whole number from ${min} to ${max}`,
    read(value, reading) {
      if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
      if (typeof value === 'string' && /^-?[0-9]+$/.test(value)) {
        reading.error(`expected ${shape.expects}, found ${describe(value)}; leave the quotes out`)
        return undefined
      }
      return mismatch(shape, value, reading)
    },
  }
  return shape
}

export function integerOf<T extends number>(...values: readonly T[]): Shape<T> {
  const shape: Shape<T> = {
    expects: `one of ${values.join(', ')}`,
    read(value, reading) {
      return values.find(known => known === value) ?? mismatch(shape, value, reading)
    },
  }
  return shape
}

export const boolean: Shape<boolean> = {
  expects: 'true or false',
  read(value, reading) {
    return typeof value === 'boolean' ? value : mismatch(boolean, value, reading)
  },
}

/** What Heddle has no use for, like `status`. */
export const anything: Shape<unknown> = { expects: 'anything', read: value => value }

/** What either of two shapes takes; the first is asked first. */
export function either<A, B>(first: Shape<A>, second: Shape<B>): Shape<A | B> {
  return {
    expects: `${first.expects} or ${second.expects}`,
    read(value, reading) {
      const attempt = new Reading()
      const result = first.read(value, attempt)
      if (result !== undefined && attempt.findings.length === 0) return result
      const other = new Reading()
      const alternative = second.read(value, other)
      if (alternative !== undefined && other.findings.length === 0) return alternative
      reading.error(`expected ${first.expects} or ${second.expects}, found ${describe(value)}`)
      return undefined
    },
  }
}

// Collections

export interface Rule<T> {
  /** The rule runs if these fields are sound. */
  readonly reads: readonly (keyof T & string)[]
  check(value: T, reading: Reading): void
}

export interface Field<T> {
  readonly shape: Shape<T>
  readonly presence: 'required' | 'optional' | 'default'
  readonly value?: T
}

/** A field that a read object always has. */
export interface PresentField<T> extends Field<T> {
  readonly presence: 'required' | 'default'
}

export function required<T>(shape: Shape<T>): PresentField<T> {
  return { shape, presence: 'required' }
}

/** @param value  given to every object that lacks the field: treat it as frozen */
export function byDefault<T>(shape: Shape<T>, value: T): PresentField<T> {
  return { shape, presence: 'default', value }
}

export function optional<T>(shape: Shape<T>): Field<T> {
  return { shape, presence: 'optional' }
}

/** Every field of `T` has its shape; those that `T` always has are required or have a default. */
export type Fields<T> = {
  readonly [K in keyof T]-?: Partial<Pick<T, K>> extends Pick<T, K>
    ? Field<Exclude<T[K], undefined>>
    : PresentField<T[K]>
}

export interface ObjectOptions<T> {
  readonly rules?: readonly Rule<T>[]
  /** Treats null as absent, as tools print empty lists of core kinds. @default false */
  readonly nulls?: 'absent'
}

export function object<T extends object>(fields: Fields<T>, options: ObjectOptions<T> = {}): Shape<T> {
  const list = Object.entries<Field<unknown>>(fields as Readonly<Record<string, Field<unknown>>>)
  const known = new Set(list.map(([name]) => name))
  const rules = options.rules ?? []
  const isNullAbsent = options.nulls === 'absent'
  const shape: Shape<T> = {
    expects: 'an object',
    read(value, reading) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return mismatch(shape, value, reading)
      const given = value as Readonly<Record<string, unknown>>
      const result: Record<string, unknown> = {}
      let broken: Set<string> | undefined
      let isSound = true
      for (const name of Object.keys(given)) {
        if (known.has(name)) continue
        reading.error(`unknown field ${quote(name)}${suggest(name, known)}`, name)
        isSound = false
      }
      for (const [name, field] of list) {
        const member = Object.hasOwn(given, name) ? given[name] : undefined
        if (member === undefined || (member === null && (isNullAbsent || field.shape === anything))) {
          if (field.presence === 'default') result[name] = field.value
          if (field.presence !== 'required') continue
          reading.error(`is required: expected ${field.shape.expects}`, name)
          ;(broken ??= new Set()).add(name)
          continue
        }
        reading.enter(name)
        const before = reading.findings.length
        const read = member === null ? readNull(field.shape, reading) : field.shape.read(member, reading)
        if (read !== undefined) result[name] = read
        if (read === undefined || hasError(reading.findings, before)) (broken ??= new Set()).add(name)
        reading.leave()
      }
      for (const rule of rules) {
        if (broken !== undefined && rule.reads.some(name => broken?.has(name))) continue
        const before = reading.findings.length
        rule.check(result as T, reading)
        if (hasError(reading.findings, before)) isSound = false
      }
      return isSound && broken === undefined ? (result as T) : undefined
    },
  }
  return shape
}

function readNull(shape: { readonly expects: string }, reading: Reading): undefined {
  reading.error(`is null: expected ${shape.expects}, or leave the field out`)
  return undefined
}

function hasError(findings: readonly Finding[], from: number): boolean {
  for (let i = from; i < findings.length; i++) if (findings[i]?.severity === 'error') return true
  return false
}

export interface ArrayOptions<T> {
  /** @default 0 */
  readonly min?: number
  readonly max?: number
  /** Two items must not have the same key; undefined keys are left alone. */
  readonly unique?: { readonly by: (item: T) => string | number | undefined; readonly what: string }
}

export function array<T>(item: Shape<T>, options: ArrayOptions<T> = {}): Shape<readonly T[]> {
  const { min = 0, max = Infinity, unique } = options
  const shape: Shape<readonly T[]> = {
    expects: 'a list',
    read(value, reading) {
      if (!Array.isArray(value)) return mismatch(shape, value, reading)
      if (value.length < min) reading.error(`needs at least ${min === 1 ? 'one item' : `${min} items`}`)
      if (value.length > max) {
        reading.error(`has ${value.length} items, at most ${max} are allowed`)
        // Not item by item: a list a thousand times too long would tell a thousand things.
        return undefined
      }
      let isSound = value.length >= min
      const result: T[] = []
      const places = unique === undefined ? undefined : new Map<string | number, number>()
      for (let i = 0; i < value.length; i++) {
        reading.enter(i)
        const before = reading.findings.length
        const read = value[i] === null ? readNull(item, reading) : item.read(value[i], reading)
        if (read === undefined || hasError(reading.findings, before)) {
          isSound = false
        } else {
          result.push(read)
          if (unique !== undefined && places !== undefined) {
            const key = unique.by(read)
            const first = key === undefined ? undefined : places.get(key)
            if (first !== undefined) {
              reading.error(`repeats the ${unique.what} of item [${first}]`)
              isSound = false
            } else if (key !== undefined) {
              places.set(key, i)
            }
          }
        }
        reading.leave()
      }
      return isSound ? result : undefined
    },
  }
  return shape
}

export interface MapOptions {
  readonly max?: number
  readonly keys?: Shape<string>
}

/** An object with any keys. */
export function map<T>(values: Shape<T>, options: MapOptions = {}): Shape<Readonly<Record<string, T>>> {
  const { max = Infinity, keys } = options
  const shape: Shape<Readonly<Record<string, T>>> = {
    expects: 'an object',
    read(value, reading) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return mismatch(shape, value, reading)
      const entries = Object.entries(value)
      let isSound = entries.length <= max
      if (!isSound) reading.error(`has ${entries.length} entries, at most ${max} are allowed`)
      const result: Record<string, T> = {}
      for (const [key, member] of entries) {
        reading.enter(key)
        const before = reading.findings.length
        // Assigning it would change what the object is instead of adding a key.
        if (key === '__proto__') reading.error('is no usable key')
        keys?.read(key, reading)
        const read = member === null ? readNull(values, reading) : values.read(member, reading)
        if (read === undefined || hasError(reading.findings, before)) isSound = false
        else result[key] = read
        reading.leave()
      }
      return isSound ? result : undefined
    },
  }
  return shape
}

/**
 * A union in the manner of Kubernetes: `tag` names the variant, and exactly the
 * field that belongs to it is there.
 */
export function tagged<T extends object>(
  tag: string,
  variants: Readonly<Record<string, { readonly field: string; readonly shape: Shape<unknown> }>>,
): Shape<T> {
  const fields: Record<string, Field<unknown>> = { [tag]: required(enumeration(...Object.keys(variants))) }
  for (const variant of Object.values(variants)) fields[variant.field] = optional(variant.shape)
  const rule: Rule<Record<string, unknown>> = {
    reads: [tag],
    check(value, reading) {
      const own = variants[String(value[tag])]
      for (const [name, { field }] of Object.entries(variants)) {
        if (field !== own?.field && value[field] !== undefined) {
          reading.error(`only goes with ${tag} "${name}", not "${String(value[tag])}"`, field)
        }
      }
    },
  }
  const base = object<Record<string, unknown>>(fields as Fields<Record<string, unknown>>, { rules: [rule] })
  return {
    expects: 'an object',
    read(value, reading) {
      const own = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[tag] : undefined
      const variant = typeof own === 'string' && Object.hasOwn(variants, own) ? variants[own] : undefined
      if (variant !== undefined && !Object.hasOwn(value as object, variant.field)) {
        reading.error(`is required for ${tag} "${String(own)}"`, variant.field)
        base.read(value, reading)
        return undefined
      }
      return base.read(value, reading) as T | undefined
    },
  }
}

/** At least one, and only one, of the fields. */
export function exactlyOne<T>(...fields: readonly (keyof T & string)[]): Rule<T> {
  return {
    reads: fields,
    check(value, reading) {
      const given = fields.filter(name => value[name] !== undefined)
      if (given.length === 0) reading.error(`needs one of ${fields.join(', ')}`)
      if (given.length > 1) reading.error(`may have only one of ${given.join(', ')}`)
    },
  }
}

/** Not both of two fields. */
export function atMostOne<T>(...fields: readonly (keyof T & string)[]): Rule<T> {
  return {
    reads: fields,
    check(value, reading) {
      const given = fields.filter(name => value[name] !== undefined)
      if (given.length > 1) reading.error(`may have only one of ${given.join(', ')}`)
    },
  }
}
