/**
 * The names of the mesh: a DNS server for Services, which asks the machine's resolvers for everything else.
 * It decides nothing about traffic, keeps no answers, and knows no configuration but the view that it is handed.
 * The daemon opens it, tells it of every change, and counts what it does; programs ask it by UDP and TCP.
 * All of it runs on the main thread, on sockets of Node: an answer is a few microseconds of work.
 * Read `directory.ts` first, then `resolver.ts`, `forwarder.ts` and `names-server.ts`.
 */
export { clusterDomain, namesTtl } from './directory.ts'
export type { NamesView } from './directory.ts'
export { defaultNamesLimits } from './limits.ts'
export type { NamesLimits } from './limits.ts'
export { NamesServer } from './names-server.ts'
export type { KeptNameSockets, NameDescriptors, NamesServerOptions } from './names-server.ts'
export type { NameAsker, NameResolved, NamesClient } from './resolver.ts'
export { SystemResolvers } from './resolver-config.ts'
