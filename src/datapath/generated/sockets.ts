// Written by scripts/generate.ts; change bpf/datapath/types.h instead.

/** struct datagram_key, 32 bytes. */
export type DatagramKey = {
  readonly cookie: bigint
  readonly peer: Endpoint
  readonly zero: number
}

/** struct endpoint, 20 bytes. */
export type Endpoint = {
  readonly address: Address
  readonly portBe: number
  readonly protocol: number
  readonly zero: number
}

/** struct address, 16 bytes. */
export type Address = {
  readonly bytes: Uint8Array
}

/** struct service, 20 bytes. */
export type Service = {
  readonly id: number
  readonly block: number
  readonly slots: number
  readonly kind: number
  readonly affinitySeconds: number
}

/** struct slot_key, 8 bytes. */
export type SlotKey = {
  readonly block: number
  readonly index: number
}

/** struct slot, 44 bytes. */
export type Slot = {
  readonly firstShare: number
  readonly first: Endpoint
  readonly second: Endpoint
}

/** struct offer_key, 24 bytes. */
export type OfferKey = {
  readonly block: number
  readonly endpoint: Endpoint
}

/** struct state, 8 bytes. */
export type State = {
  readonly generation: number
  readonly levels: number
}

/** struct member, 24 bytes. */
export type Member = {
  readonly identity: number
  readonly number: number
  readonly address: Address
}

/** struct place, 8 bytes. */
export type Place = {
  readonly identity: number
  readonly number: number
}

/** struct network, 44 bytes. */
export type Network = {
  readonly homeId: number
  readonly namesV4: Endpoint
  readonly namesV6: Endpoint
}

/** struct abroad_key, 32 bytes. */
export type AbroadKey = {
  readonly network: bigint
  readonly asked: Endpoint
  readonly zero: number
}

/** struct classes, 8 bytes. */
export type Classes = {
  readonly ingress: number
  readonly egress: number
}

/** struct peer_key, 8 bytes. */
export type PeerKey = {
  readonly classId: number
  readonly identity: number
}

/** struct block_key, 24 bytes. */
export type BlockKey = {
  readonly prefixBits: number
  readonly scope: number
  readonly address: Uint8Array
}

/** struct port_key, 16 bytes. */
export type PortKey = {
  readonly prefixBits: number
  readonly classId: number
  readonly group: number
  readonly protocol: number
  readonly portBe: Uint8Array
  readonly zero: number
}

/** struct origin, 72 bytes. */
export type Origin = {
  readonly asked: Endpoint
  readonly given: Endpoint
  readonly track: Track
  readonly cgroup: bigint
  readonly askedNs: bigint
  readonly openedNs: bigint
}

/** struct track, 8 bytes. */
export type Track = {
  readonly generation: number
  readonly role: number
  readonly isAllowed: number
  readonly zero: Uint8Array
}

/** struct datagram_target, 32 bytes. */
export type DatagramTarget = {
  readonly given: Endpoint
  readonly block: number
  readonly toldNs: bigint
}

/** struct affinity_key, 32 bytes. */
export type AffinityKey = {
  readonly cgroup: bigint
  readonly asked: Endpoint
  readonly zero: number
}

/** struct affinity, 32 bytes. */
export type Affinity = {
  readonly given: Endpoint
  readonly zero: number
  readonly usedNs: bigint
}

/** struct question, 32 bytes. */
export type Question = {
  readonly cgroup: bigint
  readonly asked: Endpoint
  readonly verdict: number
}

/** struct datagram_track, 80 bytes. */
export type DatagramTrack = {
  readonly track: Track
  readonly isFlow: number
  readonly fromIdentity: number
  readonly local: Endpoint
  readonly zero: number
  readonly cgroup: bigint
  readonly begunNs: bigint
  readonly seenNs: bigint
  readonly sentBytes: bigint
  readonly receivedBytes: bigint
}

/** struct caller_key, 40 bytes. */
export type CallerKey = {
  readonly client: Endpoint
  readonly listener: Endpoint
}

/** struct guest_key, 48 bytes. */
export type GuestKey = {
  readonly network: bigint
  readonly ends: CallerKey
}

/** struct told, 16 bytes. */
export type Told = {
  readonly sinceNs: bigint
  readonly count: bigint
}

/** struct flow_event, 96 bytes. */
export type FlowEvent = {
  readonly timeNs: bigint
  readonly cgroup: bigint
  readonly cookie: bigint
  readonly asked: Endpoint
  readonly given: Endpoint
  readonly service: number
  readonly fromIdentity: number
  readonly toIdentity: number
  readonly egressRule: number
  readonly ingressRule: number
  readonly classId: number
  readonly verdict: number
  readonly role: number
}

/** struct flow_end, 136 bytes. */
export type FlowEnd = {
  readonly flow: FlowEvent
  readonly sentBytes: bigint
  readonly receivedBytes: bigint
  readonly durationNs: bigint
  readonly connectNs: bigint
  readonly roundTripUs: number
  readonly zero: number
}

/** struct flow_cut, 144 bytes. */
export type FlowCut = {
  readonly flow: FlowEvent
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly nextSequence: number
  readonly kind: number
}

/** Keys and values of the maps; of per-CPU maps, the value of one CPU. */
export interface Maps {
  readonly hd_last: { readonly key: number; readonly value: DatagramKey }
  readonly hd_services: { readonly key: Endpoint; readonly value: Service }
  readonly hd_slots: { readonly key: SlotKey; readonly value: Slot }
  readonly hd_offers: { readonly key: OfferKey; readonly value: number }
  readonly hd_names: { readonly key: number; readonly value: Endpoint }
  readonly hd_state: { readonly key: number; readonly value: State }
  readonly hd_members: { readonly key: bigint; readonly value: Member }
  readonly hd_places: { readonly key: Endpoint; readonly value: Place }
  readonly hd_networks: { readonly key: bigint; readonly value: Network }
  readonly hd_abroad: { readonly key: AbroadKey; readonly value: Endpoint }
  readonly hd_net_places: { readonly key: AbroadKey; readonly value: Place }
  readonly hd_classes: { readonly key: number; readonly value: Classes }
  readonly hd_peers: { readonly key: PeerKey; readonly value: number }
  readonly hd_blocks: { readonly key: BlockKey; readonly value: number }
  readonly hd_ports: { readonly key: PortKey; readonly value: number }
  readonly hd_origins: { readonly key: number; readonly value: Origin }
  readonly hd_adopted: { readonly key: number; readonly value: bigint }
  readonly hd_sent: { readonly key: DatagramKey; readonly value: DatagramTarget }
  readonly hd_answers: { readonly key: DatagramKey; readonly value: Endpoint }
  readonly hd_affinity: { readonly key: AffinityKey; readonly value: Affinity }
  readonly hd_questions: { readonly key: bigint; readonly value: Question }
  readonly hd_tracks: { readonly key: DatagramKey; readonly value: DatagramTrack }
  readonly hd_begun: { readonly key: number; readonly value: bigint }
  readonly hd_callers: { readonly key: CallerKey; readonly value: bigint }
  readonly hd_guests: { readonly key: GuestKey; readonly value: bigint }
  readonly hd_asked: { readonly key: CallerKey; readonly value: Endpoint }
  readonly hd_told: { readonly key: number; readonly value: Told }
  readonly hd_flows: { readonly key: undefined; readonly value: undefined }
  readonly hd_woken: { readonly key: number; readonly value: bigint }
  readonly hd_lost: { readonly key: number; readonly value: bigint }
}
