import { durationMs } from './duration.ts'
import { urlPathPattern } from './formats.ts'
import type {
  BackendReference,
  HttpCors,
  HttpExternalAuth,
  HttpPathMatch,
  HttpPathModifier,
  HttpRouteFilter,
  HttpRouteRule,
  HttpRouteSpec,
  SessionPersistenceSpec,
} from './resource.ts'
import type { Reading, Rule } from './shape.ts'

// What the CRD of HTTPRoute v1.6 says in CEL: rules over several fields.

export function backendPort<T extends BackendReference>(): Rule<T> {
  return {
    reads: ['group', 'kind', 'port'],
    check(reference, reading) {
      if (reference.group === '' && reference.kind === 'Service' && reference.port === undefined) {
        reading.error('is required for a Service', 'port')
      }
    },
  }
}

const forbiddenInPath = ['//', '/./', '/../', '%2f', '%2F', '#']
const forbiddenAtEnd = ['/..', '/.']

export const pathValue: Rule<HttpPathMatch> = {
  reads: ['type', 'value'],
  check({ type, value }, reading) {
    if (type === 'RegularExpression') return
    const before = reading.findings.length
    if (!value.startsWith('/')) reading.error(`must start with "/" for type ${type}`, 'value')
    for (const part of forbiddenInPath) {
      if (value.includes(part)) reading.error(`must not contain "${part}" for type ${type}`, 'value')
    }
    for (const part of forbiddenAtEnd) {
      if (value.endsWith(part)) reading.error(`must not end with "${part}" for type ${type}`, 'value')
    }
    if (reading.findings.length === before && !urlPathPattern.test(value)) {
      reading.error('has characters that a URL path cannot hold; write them as %XX', 'value')
    }
  },
}

const onceOnly: readonly HttpRouteFilter['type'][] = [
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestRedirect',
  'URLRewrite',
  'CORS',
]

/** Of a rule or of a backend reference. */
export function filterCombination<T extends { readonly filters?: readonly HttpRouteFilter[] }>(): Rule<T> {
  return {
    reads: ['filters'],
    check({ filters = [] }, reading) {
      for (const type of onceOnly) {
        const [, second] = [...filters.keys()].filter(index => filters[index]?.type === type)
        if (second !== undefined) reading.error(`repeats ${type}, which may stand only once`, 'filters', second)
      }
      const rewrite = filters.findIndex(filter => filter.type === 'URLRewrite')
      if (rewrite >= 0 && filters.some(filter => filter.type === 'RequestRedirect')) {
        reading.error('does not go with RequestRedirect: a redirect sends nothing on', 'filters', rewrite)
      }
    },
  }
}

export const redirectWithoutBackends: Rule<HttpRouteRule> = {
  reads: ['filters', 'backendRefs'],
  check({ filters = [], backendRefs = [] }, reading) {
    const redirect = filters.findIndex(filter => filter.type === 'RequestRedirect')
    if (redirect >= 0 && backendRefs.length > 0) {
      reading.error('does not go with backendRefs: a redirect sends nothing on', 'filters', redirect)
    }
  },
}

/** Both in the filters of the rule and in those of its backends. */
export const replacePrefixMatch: Rule<HttpRouteRule> = {
  reads: ['matches', 'filters', 'backendRefs'],
  check({ matches, filters = [], backendRefs = [] }, reading) {
    if (matches.length === 1 && matches[0]?.path.type === 'PathPrefix') return
    tellPrefixReplacements(filters, reading)
    for (const [index, backend] of backendRefs.entries()) {
      reading.enter('backendRefs')
      reading.enter(index)
      tellPrefixReplacements(backend.filters ?? [], reading)
      reading.leave()
      reading.leave()
    }
  },
}

function tellPrefixReplacements(filters: readonly HttpRouteFilter[], reading: Reading): void {
  for (const [index, filter] of filters.entries()) {
    let field: string | undefined
    if (filter.type === 'RequestRedirect' && replacesPrefix(filter.requestRedirect.path)) field = 'requestRedirect'
    if (filter.type === 'URLRewrite' && replacesPrefix(filter.urlRewrite.path)) field = 'urlRewrite'
    if (field !== undefined) {
      reading.error(
        'ReplacePrefixMatch needs a rule with exactly one match, a PathPrefix',
        'filters',
        index,
        field,
        'path',
      )
    }
  }
}

function replacesPrefix(path: HttpPathModifier | undefined): boolean {
  return path?.type === 'ReplacePrefixMatch'
}

export const fractionAtMostOne: Rule<{ readonly numerator: number; readonly denominator: number }> = {
  reads: ['numerator', 'denominator'],
  check({ numerator, denominator }, reading) {
    if (numerator > denominator) reading.error(`is larger than the denominator, ${denominator}`, 'numerator')
  },
}

export function loneStar(field: 'allowOrigins' | 'allowMethods' | 'allowHeaders'): Rule<HttpCors> {
  return {
    reads: [field],
    check(cors, reading) {
      const values: readonly string[] = cors[field] ?? []
      if (values.length > 1 && values.includes('*')) reading.error('must hold nothing else beside "*"', field)
    },
  }
}

export const authByProtocol: Rule<HttpExternalAuth> = {
  reads: ['protocol', 'grpc', 'http'],
  check({ protocol, grpc, http }, reading) {
    const own = protocol === 'GRPC' ? 'grpc' : 'http'
    const other = protocol === 'GRPC' ? 'http' : 'grpc'
    const given = { grpc, http }
    if (given[own] === undefined) reading.error(`is required for protocol ${protocol}`, own)
    if (given[other] !== undefined) reading.error(`does not go with protocol ${protocol}`, other)
  },
}

export const timeoutOrder: Rule<NonNullable<HttpRouteRule['timeouts']>> = {
  reads: ['request', 'backendRequest'],
  check({ request, backendRequest }, reading) {
    if (request === undefined || backendRequest === undefined || durationMs(request) === 0) return
    if (durationMs(backendRequest) > durationMs(request)) {
      reading.error(`is longer than the request timeout, ${request}`, 'backendRequest')
    }
  },
}

export const permanentCookie: Rule<SessionPersistenceSpec> = {
  reads: ['absoluteTimeout', 'cookieConfig'],
  check({ absoluteTimeout, cookieConfig }, reading) {
    if (cookieConfig?.lifetimeType === 'Permanent' && absoluteTimeout === undefined) {
      reading.error('is required for a Permanent cookie', 'absoluteTimeout')
    }
  },
}

export const cookieOnly: Rule<SessionPersistenceSpec> = {
  reads: ['type', 'cookieConfig'],
  check({ type, cookieConfig }, reading) {
    if (type !== 'Cookie' && cookieConfig !== undefined) reading.error(`does not go with type ${type}`, 'cookieConfig')
  },
}

/** Several references to one parent name different parts of it, and all in the same way. */
export const distinctParents: Rule<Pick<HttpRouteSpec, 'parentRefs'>> = {
  reads: ['parentRefs'],
  check({ parentRefs = [] }, reading) {
    const parents = new Map<string, { index: number; form: string; parts: Set<string> }>()
    for (const [index, ref] of parentRefs.entries()) {
      const key = JSON.stringify([ref.group, ref.kind, ref.namespace, ref.name])
      const form = `${ref.sectionName !== undefined}/${ref.port !== undefined}`
      const part = JSON.stringify([ref.sectionName, ref.port])
      const known = parents.get(key)
      if (known === undefined) {
        parents.set(key, { index, form, parts: new Set([part]) })
        continue
      }
      if (known.form !== form) {
        reading.error(
          `names the same parent as item [${known.index}]: both need a sectionName or both a port`,
          'parentRefs',
          index,
        )
      } else if (known.parts.has(part)) {
        reading.error(
          `names the same parent as item [${known.index}]; sectionName or port must differ`,
          'parentRefs',
          index,
        )
      }
      known.parts.add(part)
    }
  },
}

const maxMatches = 128

interface WithRules {
  readonly rules: readonly { readonly name?: string; readonly matches: readonly unknown[] }[]
}

export function matchCount<T extends WithRules>(): Rule<T> {
  return {
    reads: ['rules'],
    check({ rules }, reading) {
      const count = rules.reduce((sum, rule) => sum + rule.matches.length, 0)
      if (count > maxMatches) reading.error(`has ${count} matches in all, at most ${maxMatches} are allowed`, 'rules')
    },
  }
}

export function ruleNames<T extends WithRules>(): Rule<T> {
  return {
    reads: ['rules'],
    check({ rules }, reading) {
      const names = new Map<string, number>()
      for (const [index, { name }] of rules.entries()) {
        if (name === undefined) continue
        const first = names.get(name)
        if (first === undefined) names.set(name, index)
        else reading.error(`repeats the name of rules[${first}]`, 'rules', index, 'name')
      }
    },
  }
}
