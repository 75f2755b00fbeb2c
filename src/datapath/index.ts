/**
 * The kernel tier: what programs of the mesh ask of their sockets is answered by our eBPF programs (`bpf/datapath`).
 * It is not the loader (that is `kernel`), decides no policy (that is `policy`) and carries no bytes.
 * The daemon calls it on the main thread: it opens a `Datapath`, hands it every change, and hears of flows from it.
 * What goes into the kernel's maps is computed without a kernel, and written in an order that never leaves half a Service.
 * Read `services.ts` and `service-table.ts` first, then `bpf/datapath/sockets.bpf.c`.
 */
export { addressBytes, swapPort } from './address.ts'
export { callerCgroup, openCallers, openGuests } from './callers.ts'
export type { AgentConnection, CallerMaps } from './callers.ts'
export type { CallerKey, GuestKey } from './generated/sockets.ts'
export { findJoined, findLeft, membersOf } from './joined-cgroup.ts'
export type { JoinedCgroup } from './joined-cgroup.ts'
export { Datapath } from './datapath.ts'
export type { DatapathOptions, DatapathState } from './datapath.ts'
export type { ListenerPlace, MemberNetwork } from './network-table.ts'
export type { Asker } from './askers.ts'
export type { NamePlace, NamePlaces } from './name-servers.ts'
export type { Flow, FlowEnd, FlowTransfer, FlowVerdict } from './flow.ts'
export { readyEndpoints } from './services.ts'
export type { ProxyPlace } from './services.ts'
export { mostLevels } from './state-table.ts'
export {
  commandInCgroup,
  idOfCgroup,
  levelOfCgroup,
  MeshCgroup,
  moveProcess,
  pidsBelow,
  pidsInCgroup,
  removeCgroups,
} from './mesh-cgroup.ts'
export type { BusyCgroup } from './mesh-cgroup.ts'
export { openPins, tierPlaces } from './places.ts'
export type { TierPlaces } from './places.ts'
export { cleanUp } from './cleanup.ts'
export type { CleanupReport } from './cleanup.ts'
export { datapathFeatures, networksFeature, seesNetworks, tryPrograms } from './features.ts'
