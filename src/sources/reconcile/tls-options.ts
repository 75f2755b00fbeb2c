import tls from 'node:tls'
import { defaultTlsParameters, type TlsParameters, type TlsVersion } from '../../model/index.ts'
import type { StringMap } from '../schema/resource.ts'
import { didYouMean } from './name-index.ts'

export interface TlsOptionsOutcome {
  readonly parameters: TlsParameters
  /** Undefined for what is usual. */
  readonly alpn: readonly string[] | undefined
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
const alpn = `${prefix}alpn`

/** Whose options they are: a listener's that speaks HTTP, one's that forwards bytes, or a policy's. */
export type OptionsUse = 'https' | 'stream' | 'backend'

const versions: ReadonlyMap<string, TlsVersion> = new Map([
  ['TLSv1.2', 'TLSv1.2'],
  ['1.2', 'TLSv1.2'],
  ['TLSv1.3', 'TLSv1.3'],
  ['1.3', 'TLSv1.3'],
])

/** Reads `options` of a listener's `tls` or of a BackendTLSPolicy; the API names no keys, so all are ours. */
export function readTlsOptions(options: StringMap | undefined, use: OptionsUse): TlsOptionsOutcome {
  if (options === undefined) return noOptions
  const errors: OptionProblem[] = []
  const warnings: OptionProblem[] = []
  const parameters = { ...defaultTlsParameters }
  const known = [minVersion, maxVersion, ciphers, ...(use === 'backend' ? [] : [alpn])]
  let protocols: readonly string[] | undefined
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
    } else if (key === alpn && use !== 'backend') {
      protocols = value.split(',').map(name => name.trim())
      const message = protocols.map(name => protocolProblem(name, use)).find(problem => problem !== undefined)
      if (message !== undefined) errors.push({ key, message })
    } else if (key.startsWith(prefix) || !key.includes('/')) {
      errors.push({ key, message: `is not known${didYouMean(key, known)}` })
    } else {
      warnings.push({ key, message: 'is of another implementation and not used' })
    }
  }
  if (parameters.minVersion > parameters.maxVersion) {
    errors.push({ key: minVersion, message: `is above ${maxVersion}, ${parameters.maxVersion}` })
  }
  return { parameters, alpn: protocols, errors, warnings }
}

const noOptions: TlsOptionsOutcome = { parameters: defaultTlsParameters, alpn: undefined, errors: [], warnings: [] }

/**
 * Names only, no expressions: OpenSSL leaves out what it does not know without
 * a word, and a list of typing mistakes would become its default.
 */
function cipherProblem(list: string): string | undefined {
  const known = new Set(tls.getCiphers())
  const unknown = list.split(':').find(name => !known.has(name.toLowerCase()))
  return unknown === undefined ? undefined : `names the unknown cipher ${unknown === '' ? '""' : unknown}`
}

/** A name of ALPN has 1 to 255 bytes (RFC 7301 section 3.1); those in use are words. */
function protocolProblem(name: string, use: 'https' | 'stream'): string | undefined {
  if (!/^[!-~]{1,255}$/.test(name)) return `names ${JSON.stringify(name)}, which is no protocol`
  if (use === 'stream' || name === 'h2' || name === 'http/1.1') return undefined
  return `names ${name}: a listener of protocol HTTPS speaks h2 and http/1.1`
}
