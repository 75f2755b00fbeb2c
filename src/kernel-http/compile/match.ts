import type { Candidate } from '../../proxy/routing/index.ts'
import { khMethod } from '../generated/http.ts'
import { parameterMark, tableLimits } from '../table.ts'
import type { KernelAction, KernelField, KernelMethod, KernelRule } from '../table.ts'

/** What a rule's verdict came to, as programs have it. */
export interface RuleTarget {
  readonly action: KernelAction
  /** Where it is counted. */
  readonly number: number
}

/** Different fields with their values of one table, as `FieldBits` counts them: each value, and each name. */
export class FieldRoom {
  readonly #keys = new Set<string>()

  /** @returns whether there is room; then it is taken */
  take(fields: readonly KernelField[]): boolean {
    const wanted = fields.flatMap(({ name, value }) => [name, `${name}:${value}`]).filter(key => !this.#keys.has(key))
    if (this.#keys.size + new Set(wanted).size > tableLimits.fields) return false
    for (const key of wanted) this.#keys.add(key)
    return true
  }
}

const names = new Set(Object.keys(khMethod).map(name => name.replace('KH_', '')))

function isKernelMethod(method: string): method is KernelMethod {
  return names.has(method)
}

/** Whether programs compare it as the proxy does. */
function isPlain({ name, value }: KernelField): boolean {
  if (value === '' || name.length > tableLimits.nameBytes || value.length > tableLimits.valueBytes) return false
  return /^[!-~]([ -~]*[!-~])?$/.test(value) && !value.includes(',')
}

/** Whether programs compare a parameter of a query as the proxy does, which reads what is written with `%` and `+`. */
function isPlainParameter({ name, value }: KernelField): boolean {
  const isShort = name.length < tableLimits.nameBytes && value.length <= tableLimits.valueBytes
  return isShort && /^[!-~]+$/.test(name) && /^[!-~]+$/.test(value) && !/[&%+#=]/.test(name) && !/[&%+#]/.test(value)
}

/** Why requests that this match takes are the proxy's, whatever its rule is; undefined where they need not be. */
export function matchReason({ path, method, headers, query }: Candidate<unknown>): string | undefined {
  if (path.kind === 'regex') return 'regular expression'
  if (method !== undefined && !isKernelMethod(method)) return `method ${method}`
  if (headers.some(({ regex }) => regex !== undefined)) return 'regular expression'
  if (query.some(({ regex }) => regex !== undefined)) return 'regular expression'
  if (!headers.every(isPlain)) return 'header value that is long or unusual'
  if (!query.every(isPlainParameter)) return 'query value that is long or unusual'
  return undefined
}

/**
 * The rule that programs have for a match: it holds for every request that the match takes, and if it holds for more, then
 * its action is the proxy. Undefined for what no request of the path can have.
 */
export function kernelRule({ target, ...match }: Candidate<RuleTarget>, room: FieldRoom): KernelRule | undefined {
  const { method, headers, query, path } = match
  if (method !== undefined && !isKernelMethod(method)) return undefined
  const isLiteral = ({ regex }: { readonly regex: RegExp | undefined }): boolean => regex === undefined
  const fields = [
    ...headers.filter(isLiteral).filter(isPlain),
    ...query
      .filter(isLiteral)
      .filter(isPlainParameter)
      .map(({ name, value }) => ({ name: `${parameterMark}${name}`, value })),
  ]
  const known = room.take(fields) ? fields.map(({ name, value }) => ({ name, value })) : []
  const isExact = path.kind !== 'regex' && known.length === headers.length + query.length
  const userSpace: KernelAction = query.length > 0 ? { kind: 'user-space-with-query' } : { kind: 'user-space' }
  const action = isExact ? target.action : userSpace
  return {
    ...(method === undefined ? {} : { method }),
    fields: known,
    action,
    number: action.kind === 'pools' ? target.number : 0,
  }
}
