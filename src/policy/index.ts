/**
 * Decisions about requests and connections that need neither sockets nor routes: whether a rate limit has one left, which faults are injected, how an answer is compressed, what an authorizer is told and what its answer means, who may connect to whom.
 * It sends, waits and compresses nothing; balancing, retries and circuit breakers are in `proxy`.
 * The filters of the proxy call it on every worker; the daemon makes the memory that the workers' limits share.
 * NetworkPolicies are compiled to the tables that kernel programs look up; evaluating them here looks up the same.
 * Everything is a function of its arguments except the buckets of a rate limit, which are a table in shared memory.
 * Read `rate-limit/bucket-table.ts` first, then `compression/negotiate.ts`, `external-auth/http.ts` and `network/evaluate.ts`.
 */
export { BucketTable, createBucketMemory } from './rate-limit/bucket-table.ts'
export type { BucketLimit } from './rate-limit/bucket-table.ts'
export { rateLimitFields, retryAfterSeconds } from './rate-limit/fields.ts'
export type { BucketState } from './rate-limit/fields.ts'
export { rateLimitKey } from './rate-limit/key.ts'
export type { RateLimitFacts } from './rate-limit/key.ts'
export { FaultPlan } from './fault.ts'
export type { FaultDecision } from './fault.ts'
export { chooseEncoding } from './compression/accept-encoding.ts'
export { compressionEdits, decideCompression } from './compression/negotiate.ts'
export type { CompressionDecision, CompressionFacts } from './compression/negotiate.ts'
export type { AuthDecision } from './external-auth/decision.ts'
export { deniedStatus } from './external-auth/decision.ts'
export { decideByGrpc } from './external-auth/grpc.ts'
export type { AuthAnswer, AuthHeader } from './external-auth/grpc.ts'
export { authRequest, clientFields, decideByHttp } from './external-auth/http.ts'
export type { AuthFacts, AuthRequest } from './external-auth/http.ts'
export { sizeOf } from './network/class-table.ts'
export { compileNetworkPolicies, emptyCompiledPolicy } from './network/compile.ts'
export type { CompileOptions } from './network/compile.ts'
export { evaluateNetworkPolicy } from './network/evaluate.ts'
export type { DirectionVerdict, NetworkParty, NetworkProbe, NetworkVerdict } from './network/evaluate.ts'
export { NetworkJudge } from './network/judge.ts'
export type { NetworkTarget } from './network/judge.ts'
export { findPlace } from './network/places.ts'
export { stepsBetween } from './network/update.ts'
