/** The one table of metrics: names after OpenTelemetry where it has one, in base units. */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** Histogram bounds in the metric's unit. */
  readonly buckets?: readonly number[]
}

/** The buckets that OpenTelemetry advises for request durations, in seconds, with two finer ones for a node's own traffic. */
const secondsBuckets: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
]

const routeLabels: readonly string[] = ['virtual_host', 'route', 'backend']

export const metrics: Readonly<Record<string, MetricDefinition>> = {
  http_server_requests_total: {
    type: 'counter',
    help: 'Requests answered, by status class (1xx to 5xx).',
    labels: [...routeLabels, 'status_class'],
  },
  http_server_request_duration_seconds: {
    type: 'histogram',
    help: 'From the first byte of the request to the last byte of the response.',
    labels: routeLabels,
    buckets: secondsBuckets,
  },
  http_server_request_bytes_total: { type: 'counter', help: 'Bytes of request bodies received.', labels: routeLabels },
  http_server_response_bytes_total: { type: 'counter', help: 'Bytes of response bodies sent.', labels: routeLabels },
  http_server_active_requests: { type: 'gauge', help: 'Requests under way.', labels: ['listener'] },
  heddle_local_replies_total: {
    type: 'counter',
    help: 'Answers that Heddle itself made, by reason.',
    labels: ['virtual_host', 'reason'],
  },
  heddle_downstream_connections: { type: 'gauge', help: 'Open connections of clients.', labels: ['listener'] },
  heddle_downstream_connections_total: {
    type: 'counter',
    help: 'Accepted connections of clients.',
    labels: ['listener'],
  },
  heddle_tls_handshakes_total: {
    type: 'counter',
    help: 'TLS handshakes of clients, by result (ok, or why not), version and whether a session was resumed.',
    labels: ['listener', 'result', 'version', 'resumed'],
  },
  heddle_certificate_not_after_seconds: {
    type: 'gauge',
    help: 'When a certificate that is in use expires, in seconds since 1970.',
    labels: ['certificate'],
  },
  heddle_upstream_connections: { type: 'gauge', help: 'Open connections to endpoints.', labels: ['backend'] },
  heddle_upstream_connections_total: { type: 'counter', help: 'Connections made to endpoints.', labels: ['backend'] },
  heddle_upstream_connect_failures_total: {
    type: 'counter',
    help: 'Connections to endpoints that could not be made.',
    labels: ['backend'],
  },
  heddle_upstream_requests_total: {
    type: 'counter',
    help: 'Tries sent to endpoints.',
    labels: ['backend', 'endpoint', 'status_class'],
  },
  heddle_upstream_request_duration_seconds: {
    type: 'histogram',
    help: 'From sending a try to the first byte of its answer.',
    labels: ['backend'],
    buckets: secondsBuckets,
  },
  heddle_upstream_retries_total: { type: 'counter', help: 'Tries after the first.', labels: ['backend'] },
  heddle_upstream_retries_refused_total: {
    type: 'counter',
    help: 'Retries not made because the retry budget was used up.',
    labels: ['backend'],
  },
  heddle_upstream_overloaded_total: {
    type: 'counter',
    help: 'Requests refused by a circuit breaker.',
    labels: ['backend', 'limit'],
  },
  heddle_upstream_ejections_total: {
    type: 'counter',
    help: 'Endpoints ejected by outlier detection.',
    labels: ['backend'],
  },
  heddle_upstream_endpoints: {
    type: 'gauge',
    help: 'Endpoints by state: healthy, unhealthy, ejected, draining.',
    labels: ['backend', 'state'],
  },
  heddle_mirrored_requests_total: { type: 'counter', help: 'Requests copied to a mirror.', labels: ['backend'] },
  heddle_access_log_dropped_total: {
    type: 'counter',
    help: 'Access log lines dropped because the log could not keep up.',
    labels: [],
  },
  heddle_metrics_overflow_total: {
    type: 'counter',
    help: 'Series that were counted under the label value "other", since their metric has as many as it may.',
    labels: ['metric'],
  },
  heddle_config_version: { type: 'gauge', help: 'Version of the configuration in force.', labels: [] },
  heddle_config_problems: {
    type: 'gauge',
    help: 'Problems of the configuration last read, by severity.',
    labels: ['severity'],
  },
  heddle_config_apply_seconds: {
    type: 'histogram',
    help: 'From a change on disk being read to the snapshot being handed out.',
    labels: [],
    buckets: secondsBuckets,
  },
  heddle_worker_restarts_total: { type: 'counter', help: 'Worker threads replaced after a crash.', labels: [] },
  heddle_workload_restarts_total: {
    type: 'counter',
    help: 'Supervised processes started again after they ended.',
    labels: ['workload'],
  },
  process_cpu_seconds_total: {
    type: 'counter',
    help: 'User and system CPU time of the agent, all threads.',
    labels: [],
  },
  process_resident_memory_bytes: { type: 'gauge', help: 'Resident memory of the agent.', labels: [] },
  process_open_fds: { type: 'gauge', help: 'Open file descriptors of the agent.', labels: [] },
  process_start_time_seconds: { type: 'gauge', help: 'When the agent started, in seconds since 1970.', labels: [] },
}
