/**
 * Which endpoint gets a request: the state of each endpoint, the candidates of
 * the moment (health, ejections, panic, zones) and the algorithms over them.
 * It sends nothing, checks nothing and knows no protocol; the engine reports
 * what happened. Each worker has one `Balancer` per backend, on its own thread.
 * Read `plan.ts` first, then `balancer.ts`.
 */
export { Balancer } from './balancer.ts'
export type { BalancerOptions, OutlierRule, PickContext } from './balancer.ts'
export { EndpointState } from './endpoint-state.ts'
export type { EndpointCounts } from './plan.ts'
export { hashBytes, hashString } from './hash.ts'
