import type {
  KernelAction,
  KernelPath,
  KernelPermission,
  KernelRule,
  KernelService,
  KernelTable,
} from '../../../src/kernel-http/index.ts'
import { below, endpointsOf, pick } from './operation.ts'
import type { Random } from './operation.ts'

const userSpace: KernelAction = { kind: 'user-space' }

/** A Service of all routes, in one of many ways to say it; each leads only where its route may. */
export function composeTable(random: Random, poolOf: (endpoint: string) => number): KernelService {
  const targetsOf = (route: string, count: number): KernelAction => ({
    kind: 'pools',
    targets: (endpointsOf[route] ?? []).map(endpoint => ({
      pool: poolOf(endpoint),
      weight: 1 + below(random, 5),
      count,
    })),
  })
  const pathOf = (route: string, index: number): KernelPath => {
    const rules: KernelRule[] = [{ fields: [], action: targetsOf(route, index + 1), number: index + 1 }]
    if (below(random, 4) === 0) rules.unshift({ fields: [], method: 'PUT', action: userSpace, number: index + 10 })
    if (below(random, 3) === 0) {
      const fields = [{ name: 'x-flavour', value: pick(random, ['sweet', 'sour']) }]
      rules.unshift({
        fields,
        action: below(random, 2) === 0 ? userSpace : targetsOf(route, index + 20),
        number: index + 20,
      })
    }
    return { kind: 'prefix', value: `/${route}`, rules }
  }
  const tableOf = (): KernelTable => {
    const paths = Object.keys(endpointsOf).map(pathOf)
    if (below(random, 4) === 0)
      paths.push({ kind: 'prefix', value: '/a/length', rules: [{ fields: [], action: userSpace, number: 30 }] })
    if (below(random, 3) > 0) return { paths }
    const permissions: KernelPermission[] = [1, 2, 3, 20, 21, 22].map(number => ({
      caller: 0n,
      number,
      methods: ['GET', 'HEAD', 'POST', 'PUT'],
    }))
    return { paths, permissions }
  }
  return below(random, 3) === 0 ? { ...tableOf(), hosts: new Map([['shop', tableOf()]]) } : tableOf()
}
