/**
 * The kernel's HTTP path: small messages between programs of a node, passed on by programs in the kernel
 * (`bpf/kernel-http`, docs/decisions/0012). It is not the proxy, which takes all that is not proven safe, and decides no
 * policy: it is told who may do what.
 * Nobody calls it by default. On the main thread one opens a `KernelHttp`, an `HttpAgent` and its pools, and writes tables.
 * Read the decision first, then `kernel-http.ts`, `agent.ts` and `client-connection.ts`.
 */
export { compileService } from './compile/compile-service.ts'
export type { CompiledRule, CompiledService, CompileInput } from './compile/compile-service.ts'
export type { EndpointTarget, Verdict } from './compile/verdict.ts'
export { HttpAgent } from './agent.ts'
export type { HttpAgentOptions, LeftConnections, TimeLimits } from './agent.ts'
export type { EndedRequest } from './ended-request.ts'
export type { Holder } from './holder.ts'
export { KernelHttp } from './kernel-http.ts'
export type { KhCounts, KhSample } from './generated/http.ts'
export type { KernelHttpOptions, LeftObjects, UserSpaceReason } from './kernel-http.ts'
export { httpLayout } from './object.ts'
export { pipeTo } from './pipe-to.ts'
export { listenerAt, placeOf } from './place.ts'
export { KernelPool } from './pool.ts'
export type { AdoptedSocket, PooledConnection, PoolNetwork, PoolOptions } from './pool.ts'
export type {
  KernelAction,
  KernelField,
  KernelMethod,
  KernelPath,
  KernelPermission,
  KernelRule,
  KernelService,
  KernelTable,
  KernelTarget,
} from './table.ts'
export { tableLimits } from './table.ts'
export { selfTest } from './self-test.ts'
export type { SelfTestResult } from './self-test.ts'
export type { OfPath } from './unread-watch.ts'
export { TableWriter } from './table-writer.ts'
