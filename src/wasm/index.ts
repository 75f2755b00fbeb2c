/**
 * Plugins in WebAssembly: a host for the Proxy-Wasm ABI 0.1.0, 0.2.0 and 0.2.1, published as `heddle/proxy-wasm`.
 * It knows no sockets and no proxy: streams come in by its methods and go out by ports (`plugins/ports.ts`), so that a plugin can be tested in plain Node.
 * The proxy calls it on its worker threads, each with one `Engine` and one `Plugin` per plugin; modules are compiled once and posted to them.
 * A plugin can't take more memory or time than it is given, and when it fails only what it holds is decided by its failure policy.
 * Read `plugins/plugin.ts` first, then `plugins/http-stream.ts`, `plugins/vm.ts` and `engine/confine.ts`; why it is so is in docs/decisions/0011.
 */
export { Engine } from './engine/engine.ts'
export type { GuestMemory } from './engine/guest-memory.ts'
export { sourceMapUrlOf, withSourceMapUrl } from './engine/source-map-url.ts'
export { compilePlugin } from './plugins/plugin-module.ts'
export type { PluginModule } from './plugins/plugin-module.ts'
export { pluginConfig } from './plugins/plugin-config.ts'
export type { PluginConfig, PluginOptions } from './plugins/plugin-config.ts'
export { Plugin } from './plugins/plugin.ts'
export type { PluginParts, PluginState } from './plugins/plugin.ts'
export { StreamProperties } from './plugins/stream-properties.ts'
export type { HttpStream } from './plugins/http-stream.ts'
export type { TcpStream } from './plugins/tcp-stream.ts'
export type { VmFailure, VmTrace } from './plugins/vm.ts'
export { HeaderMap } from '../codec/index.ts'
export type { HeaderField } from '../codec/index.ts'
export { noCallouts, offlineServices } from './plugins/offline.ts'
export type { OfflineConnection, OfflineTransfer } from './plugins/offline-connection.ts'
export { runOffline } from './plugins/offline-run.ts'
export type { OfflineMessage, OfflineOptions, OfflineOutcome, OfflineRun, OfflineStep } from './plugins/offline-run.ts'
export type { DescribedCall } from './plugins/describe-call.ts'
export { LocalMetrics } from './plugins/local-metrics.ts'
export { SharedMemory } from './plugins/shared-memory.ts'
export { ThreadSharedData } from './plugins/thread-shared-data.ts'
export { ThreadSharedQueues } from './plugins/thread-shared-queues.ts'
export { defaultPluginLimits } from './plugins/limits.ts'
export type { PluginLimits } from './plugins/limits.ts'
export type * from './plugins/ports.ts'
export type { PropertyRecord, PropertyValue } from './plugins/property-value.ts'
