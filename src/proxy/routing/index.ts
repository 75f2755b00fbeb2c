/**
 * Which rule answers a request, and what its filters make of it: routes compiled
 * into lookup structures, path normalisation, and the pure parts of the filters.
 * It opens nothing, sends nothing and reads no clock; the engine asks it once
 * per request on each worker, and `heddle explain` asks it why.
 * Read `route-table.ts` first, then `candidate.ts` for the order of matches.
 */
export { Candidate, compareCandidates } from './candidate.ts'
export type { RouteRequest } from './request.ts'
export { RouteTable } from './route-table.ts'
export type { CompiledListener, CompiledVirtualHost, CompileRule, RouteDecision } from './route-table.ts'
export { explainRoute } from './explain.ts'
export type { ExplainedCandidate, ExplainOptions, Mismatch, RouteExplanation, TriedVirtualHost } from './explain.ts'
export { normalizePath } from './normalize-path.ts'
export type { NormalPath } from './normalize-path.ts'
export { parseQuery, queryValue } from './query.ts'
export { rewritePath } from './rewrite-path.ts'
export { redirectLocation } from './redirect-location.ts'
export type { RedirectInput } from './redirect-location.ts'
export { allowsOrigin, corsDecision } from './cors.ts'
export type { CorsDecision, CorsRequest } from './cors.ts'
export { chooseWeighted, isMirrored, weightTable } from './choose-weighted.ts'
export type { WeightTable } from './choose-weighted.ts'
export { decodeSession, encodeSession, mustRenewSession, sessionCookie, sessionTag } from './session.ts'
export type { Session } from './session.ts'
