import { stringify } from 'yaml'
import { below, endpointsOf, pick } from './operation.ts'
import type { Random } from './operation.ts'

interface Rule {
  readonly matches: readonly object[]
  readonly filters?: readonly object[]
  readonly backendRefs: readonly object[]
}

const proxyOnly = [
  { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-way', value: 'proxy' }] } },
]

/** As `composeTable`, in resources: rules in one of many ways, each of which leads only where its route may. */
export function composeRoute(random: Random): string {
  return stringify({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'front', namespace: 'shop' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'front', port: 9080 }],
      rules: Object.keys(endpointsOf).flatMap(route => rulesOf(random, route)),
    },
  })
}

function rulesOf(random: Random, route: string): readonly Rule[] {
  const prefix = { type: 'PathPrefix', value: `/${route}` }
  const ruleOf = (match: object, filters?: readonly object[]): Rule => ({
    matches: [{ path: prefix, ...match }],
    ...(filters === undefined ? {} : { filters }),
    backendRefs: (endpointsOf[route] ?? []).map(name => ({ name, port: 9080, weight: 1 + below(random, 5) })),
  })
  const rules = [ruleOf({}, below(random, 30) === 0 ? proxyOnly : undefined)]
  if (below(random, 10) === 0) rules.push(ruleOf({ method: 'PUT' }, proxyOnly))
  if (below(random, 3) === 0) {
    const headers = [{ name: 'x-flavour', value: pick(random, ['sweet', 'sour']) }]
    rules.push(ruleOf({ headers }, below(random, 4) === 0 ? proxyOnly : undefined))
  }
  if (below(random, 20) === 0) rules.push(ruleOf({ path: { type: 'RegularExpression', value: `/${route}/len.*` } }))
  return rules
}

/** Nobody is refused anything by it, but everybody is asked for. */
export const openPolicy: string = stringify({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'open', namespace: 'shop' },
  spec: { podSelector: { matchLabels: { app: 'client' } }, policyTypes: ['Egress'], egress: [{}] },
})

export const optOut: string = stringify({
  apiVersion: 'heddle.dev/v1alpha1',
  kind: 'BackendPolicy',
  metadata: { name: 'front', namespace: 'shop' },
  spec: { targetRefs: [{ kind: 'Service', name: 'front' }], kernelHttp: 'Off' },
})
