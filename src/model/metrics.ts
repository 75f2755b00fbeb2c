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

/** Sessions last from one question of DNS to a day of a database's client. */
const sessionBuckets: readonly number[] = [0.01, 0.1, 1, 10, 60, 300, 1_800, 3_600, 14_400, 86_400]

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
  rpc_server_requests_total: {
    type: 'counter',
    help: 'Requests of gRPC that ended, by gRPC status (ok, unavailable, …); each counts in http_server_requests_total, too.',
    labels: [...routeLabels, 'grpc_status'],
  },
  heddle_service_requests_total: {
    type: 'counter',
    help: 'Requests of callers whom the mesh knows, by the Services at both ends (a Workload where it has none) and status class.',
    labels: ['source', 'destination', 'status_class'],
  },
  http_server_active_requests: { type: 'gauge', help: 'Requests under way.', labels: ['listener'] },
  heddle_caller_lookups_total: {
    type: 'counter',
    help: 'Connections whose caller decides about routes: known, unknown (no workload of the mesh), not found in time (late), or pushed out of the kernel by others (forgotten).',
    labels: ['outcome'],
  },
  heddle_local_replies_total: {
    type: 'counter',
    help: 'Answers that Heddle itself made, by reason.',
    labels: ['virtual_host', 'reason'],
  },
  heddle_compressed_answers_total: {
    type: 'counter',
    help: 'Answers that were compressed on their way to the client.',
    labels: ['encoding'],
  },
  heddle_downstream_connections: { type: 'gauge', help: 'Open connections of clients.', labels: ['listener'] },
  heddle_downstream_connections_total: {
    type: 'counter',
    help: 'Accepted connections of clients.',
    labels: ['listener'],
  },
  heddle_http2_connections: { type: 'gauge', help: 'Open connections of clients by HTTP/2.', labels: ['listener'] },
  heddle_http2_streams_total: { type: 'counter', help: 'Requests of clients by HTTP/2.', labels: ['listener'] },
  heddle_http2_problems_total: {
    type: 'counter',
    help: 'What clients did wrong by HTTP/2; floods, too. It ended a stream, or all of the connection.',
    labels: ['listener', 'problem'],
  },
  heddle_stream_sessions_total: {
    type: 'counter',
    help: 'Connections of TCP and TLS that were connected to an endpoint, and sessions of UDP.',
    labels: routeLabels,
  },
  heddle_stream_session_duration_seconds: {
    type: 'histogram',
    help: 'From the connection or first datagram of a client to the end of its session.',
    labels: routeLabels,
    buckets: sessionBuckets,
  },
  heddle_stream_received_bytes_total: {
    type: 'counter',
    help: 'Bytes of TCP, TLS and UDP sessions from clients to endpoints, counted as they go.',
    labels: routeLabels,
  },
  heddle_stream_sent_bytes_total: {
    type: 'counter',
    help: 'Bytes of TCP, TLS and UDP sessions from endpoints to clients, counted as they go.',
    labels: routeLabels,
  },
  heddle_stream_refused_total: {
    type: 'counter',
    help: 'Connections of TCP and TLS that were refused, and sessions of UDP that were not begun, by reason.',
    labels: ['virtual_host', 'reason'],
  },
  heddle_udp_dropped_total: {
    type: 'counter',
    help: 'Datagrams dropped: no session may be begun (refused, sessions) or a socket is behind (backlog).',
    labels: ['listener', 'reason'],
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
  heddle_upstream_grpc_requests_total: {
    type: 'counter',
    help: 'Tries of gRPC that endpoints answered, by gRPC status.',
    labels: ['backend', 'endpoint', 'grpc_status'],
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
  heddle_dns_queries_total: {
    type: 'counter',
    help: 'Names asked for, by who answered (mesh, or forward for resolvers of the machine), type and result.',
    labels: ['source', 'type', 'result'],
  },
  heddle_dns_forward_duration_seconds: {
    type: 'histogram',
    help: 'From a query for a name of elsewhere to its answer, or to there being none.',
    labels: [],
    buckets: secondsBuckets,
  },
  heddle_flows_total: {
    type: 'counter',
    help: 'What programs of the mesh asked for in the kernel tier: connections, and first datagrams to somebody.',
    labels: ['source', 'destination', 'verdict'],
  },
  heddle_flow_bytes_total: {
    type: 'counter',
    help: 'Bytes of connections and datagrams that have ended in the kernel tier, sent and received by their source.',
    labels: ['source', 'destination', 'direction'],
  },
  heddle_flow_events_lost_total: {
    type: 'counter',
    help: 'Flows that are not told: events that found no room in the kernel, and datagrams that made room for others.',
    labels: [],
  },
  heddle_config_version: { type: 'gauge', help: 'Version of the configuration in force.', labels: [] },
  heddle_config_problems: {
    type: 'gauge',
    help: 'Problems of the configuration last read, by severity.',
    labels: ['severity'],
  },
  heddle_network_policies: {
    type: 'gauge',
    help: 'NetworkPolicies read, by whether anything enforces them.',
    labels: ['enforced'],
  },
  heddle_config_apply_seconds: {
    type: 'histogram',
    help: 'From a change on disk being read to the snapshot being handed out.',
    labels: [],
    buckets: secondsBuckets,
  },
  heddle_plugin_instances: {
    type: 'gauge',
    help: 'Instances of a plugin on all workers; more than one on each while older ones finish their streams.',
    labels: ['plugin'],
  },
  heddle_plugin_memory_bytes: { type: 'gauge', help: 'Memory of the instances of a plugin.', labels: ['plugin'] },
  heddle_plugin_streams: {
    type: 'gauge',
    help: 'Requests and connections that are in the hands of a plugin.',
    labels: ['plugin'],
  },
  heddle_plugin_failures_total: {
    type: 'counter',
    help: 'Instances of a plugin that were discarded or did not start: trap, cpu (over its time), exit, start.',
    labels: ['plugin', 'kind'],
  },
  heddle_plugin_custom: {
    type: 'gauge',
    help: 'Gauges that plugins define, by their own name.',
    labels: ['plugin', 'name'],
  },
  heddle_plugin_custom_total: {
    type: 'counter',
    help: 'Counters that plugins define, by their own name, and sums of their histograms.',
    labels: ['plugin', 'name'],
  },
  heddle_plugin_custom_count_total: {
    type: 'counter',
    help: 'How many values the histograms of plugins have recorded.',
    labels: ['plugin', 'name'],
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
