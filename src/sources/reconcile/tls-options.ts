import tls from 'node:tls'
import { defaultTlsParameters, type TlsParameters, type TlsVersion } from '../../model/index.ts'
import type { StringMap } from '../schema/resource.ts'
import { didYouMean } from './name-index.ts'

export interface TlsOptionsOutcome {
  readonly parameters: TlsParameters
  /** What can't be done as it is written; the owner of the options must not be served without it. */
  readonly errors: readonly OptionProblem[]
  /** Keys that are other implementations'. */
  readonly warnings: readonly OptionProblem[]
}

export interface OptionProblem {
  readonly key: string
  readonly message: string
}

const prefix = 'heddle.dev/'
const minVersion = `${prefix}min-version`
const maxVersion = `${prefix}max-version`
const ciphers = `${prefix}ciphers`

const versions: ReadonlyMap<string, TlsVersion> = new Map([
  ['TLSv1.2', 'TLSv1.2'],
  ['1.2', 'TLSv1.2'],
  ['TLSv1.3', 'TLSv1.3'],
  ['1.3', 'TLSv1.3'],
])

/** Reads `options` of a listener's `tls` or of a BackendTLSPolicy; the API names no keys, so all are ours. */
export function readTlsOptions(options: StringMap | undefined): TlsOptionsOutcome {
  if (options === undefined) return noOptions
  const errors: OptionProblem[] = []
  const warnings: OptionProblem[] = []
  const parameters = { ...defaultTlsParameters }
  for (const [key, value] of Object.entries(options)) {
    if (key === minVersion || key === maxVersion) {
      const version = versions.get(value)
      if (version === undefined) errors.push({ key, message: `must be TLSv1.2 or TLSv1.3, not ${value}` })
      else if (key === minVersion) parameters.minVersion = version
      else parameters.maxVersion = version
    } else if (key === ciphers) {
      const message = cipherProblem(value)
      if (message === undefined) parameters.ciphers = value
      else errors.push({ key, message })
    } else if (key.startsWith(prefix) || !key.includes('/')) {
      errors.push({ key, message: `is not known${didYouMean(key, [minVersion, maxVersion, ciphers])}` })
    } else {
      warnings.push({ key, message: 'is of another implementation and not used' })
    }
  }
  if (parameters.minVersion > parameters.maxVersion) {
    errors.push({ key: minVersion, message: `is above ${maxVersion}, ${parameters.maxVersion}` })
  }
  return { parameters, errors, warnings }
}

const noOptions: TlsOptionsOutcome = { parameters: defaultTlsParameters, errors: [], warnings: [] }

/**
 * Names only, no expressions: OpenSSL leaves out what it does not know without
 * a word, and a list of typing mistakes would become its default.
 */
function cipherProblem(list: string): string | undefined {
  const known = new Set(tls.getCiphers())
  const unknown = list.split(':').find(name => !known.has(name.toLowerCase()))
  return unknown === undefined ? undefined : `names the unknown cipher ${unknown === '' ? '""' : unknown}`
}
