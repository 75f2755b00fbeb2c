/** Bounds on what one plugin can make the host hold or do. */
export interface PluginLimits {
  /** Processor time of one callback. A healthy one takes microseconds; meanwhile all other streams of the worker wait. */
  readonly callMs: number
  /** Of start and configuration, which build tables and start runtimes: Go's takes 40 ms. */
  readonly startMs: number
  /** Names and values of one map of headers; what a plugin adds beyond is refused. Servers refuse larger ones anyway. */
  readonly headerBytes: number
  readonly headerCount: number
  /** A body, or data of a connection, that a plugin holds back or makes larger. Beyond it the stream is answered, or reading stops. */
  readonly bodyBytes: number
  /** Of one plugin at a time; a plugin that calls for every request of a dead host would hold them all. */
  readonly callouts: number
  /** Names of metrics come from plugins, and plugins make them from what clients send. */
  readonly metrics: number
}

export const defaultPluginLimits: PluginLimits = {
  callMs: 50,
  startMs: 5000,
  headerBytes: 256 * 1024,
  headerCount: 1024,
  bodyBytes: 1024 * 1024,
  callouts: 1024,
  metrics: 4096,
}
