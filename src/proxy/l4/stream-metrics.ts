import type { Counter, Histogram, Meter } from '../../core/index.ts'

/** The series of sessions on one virtual host to one backend of a route, resolved once. */
export class StreamSeries {
  readonly sessions: Counter
  readonly duration: Histogram
  /** From clients to endpoints. */
  readonly received: Counter
  /** From endpoints to clients. */
  readonly sent: Counter

  constructor(meter: Meter, virtualHost: string, route: string, backend: string) {
    const labels = { virtual_host: virtualHost, route, backend }
    this.sessions = meter.counter('heddle_stream_sessions_total', labels)
    this.duration = meter.histogram('heddle_stream_session_duration_seconds', labels)
    this.received = meter.counter('heddle_stream_received_bytes_total', labels)
    this.sent = meter.counter('heddle_stream_sent_bytes_total', labels)
  }
}
