/**
 * The user-space L7 proxy: accepts connections, routes their requests, and
 * forwards them to endpoints, as one `MeshSnapshot` says. It reads no
 * configuration, starts no threads and knows no Kubernetes. The daemon makes
 * one `Proxy` in every worker thread; `RouteTable`, `explainRoute` and
 * `HealthChecker` also serve its main thread. Read `proxy.ts`, then
 * `pipeline/downstream.ts`, `pipeline/exchange.ts` and `pipeline/tries.ts`.
 */
export { Proxy } from './proxy.ts'
export type { AcceptedElsewhere, EndpointActivity, ProxyOptions } from './proxy.ts'
export { NodeTransport } from './transport/node-transport.ts'
export type {
  Connection,
  ConnectionHandler,
  ListeningSocket,
  ListenOptions,
  Transport,
} from './transport/connection.ts'
export type {
  ClientHello,
  ClientTarget,
  ClientTls,
  ClientTlsOptions,
  HandshakeEvents,
  ServerTls,
  ServerTlsOptions,
  SessionStore,
  ShownPeer,
  TlsLibrary,
} from './transport/tls-library.ts'
export type { KeptPlace, KeptSockets, ListenPlace } from './transport/kept-sockets.ts'
export { defaultLimits } from './limits.ts'
export type { ProxyLimits } from './limits.ts'
export { AccessGate, forgottenCaller, unknownMember } from './access/access-gate.ts'
export type { CallerSource, ConnectionEnds, Identified } from './listeners/caller-source.ts'
export { HealthChecker } from './health/health-checker.ts'
export type { EndpointHealth } from './health/health-checker.ts'
export { StreamTable } from './l4/stream-table.ts'
export { chooseHost } from './listeners/tls-certificates.ts'
export { explainRoute, normalizePath, RouteTable } from './routing/index.ts'
export type * from './routing/index.ts'
export type { GrpcCallObserver, GrpcCallOptions, OpenGrpcCall } from './pipeline/grpc-backend-call.ts'
export type { AuthCall, AuthCallOutcome, PendingCall } from './filters/filter-exchange.ts'
export { pluginFailure } from './plugins/http-plugins.ts'
export { hostPluginsOf, pluginsOf, streamPluginsOf } from './plugins/plugin-lists.ts'
export type { HostPlugins } from './plugins/plugin-lists.ts'
export type {
  HttpPluginChain,
  HttpPluginHost,
  PluggedStream,
  PluginAnswer,
  PluginAttribute,
} from './plugins/http-plugins.ts'
export type { PluginRunner } from './plugins/plugin-runner.ts'
export type { PluggedConnection, StreamPluginChain, StreamPluginHost } from './plugins/stream-plugins.ts'
