/**
 * Active health checks: asks endpoints and says when one becomes healthy or
 * unhealthy. It keeps no traffic away by itself: its owner puts the answer into
 * the snapshot's endpoints. Passive health is in `proxy/resilience/outlier.ts`.
 * One instance serves the whole agent, on the main thread.
 * Read `health-checker.ts` first.
 */
export { HealthChecker } from './health-checker.ts'
export type { EndpointHealth, HealthCheckerOptions, HealthListener } from './health-checker.ts'
