/**
 * What people and programs see of the mesh: metrics, the access log, the agent's own log, the status page.
 * It decides nothing about traffic and opens no ports: the daemon serves what is rendered here.
 * The daemon and its workers construct these and hand them to the data path as the ports `Meter`, `AccessLog`, `Logger`.
 * Registries and access logs live on each worker thread; states are merged and rendered on the main thread.
 * Read `metrics/metric-registry.ts` first, then `access-log/access-log-writer.ts` and `console/status-document.ts`.
 */
export { MetricRegistry } from './metrics/metric-registry.ts'
export type { MetricRegistryOptions } from './metrics/metric-registry.ts'
export { mergeStates, MetricsAggregator, retainSeries } from './metrics/merge.ts'
export type { MetricsState, MetricState, SeriesPredicate } from './metrics/metrics-state.ts'
export { prometheusContentType, renderPrometheus } from './metrics/prometheus.ts'
export { ProcessMetrics } from './metrics/process-metrics.ts'
export type { ProcessUsage } from './metrics/process-metrics.ts'
export { noRates, summarize } from './metrics/rates.ts'
export type { Flow, LiveRates, Rates } from './metrics/rates.ts'
export { RateWindow } from './metrics/rate-window.ts'
export { openAccessLog } from './access-log/access-log-writer.ts'
export type { AccessLogOptions, AccessLogWriter } from './access-log/access-log-writer.ts'
export { accessLogKeys } from './access-log/json-line.ts'
export { AgentLogger } from './agent-log/agent-logger.ts'
export type { AgentLoggerOptions } from './agent-log/agent-logger.ts'
export { consoleHeaders, renderConsole } from './console/console-page.ts'
export type {
  AgentStatus,
  KeeperSummary,
  CertificateStatus,
  EndpointStatus,
  NetworkPolicyStatus,
  RouteStatus,
  RuleBackendStatus,
  RuleStatus,
  ServiceStatus,
  StatusDocument,
} from './console/status-document.ts'
