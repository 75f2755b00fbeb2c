// Written by scripts/generate.ts; change bpf/kernel-http/types.h instead.

/** struct kh_client, 24 bytes. */
export type KhClient = {
  readonly backend: bigint
  readonly reason: number
  readonly service: number
  readonly promised: number
  readonly zero: number
}

/** enum kh_reason. */
export const khReason = {
  KH_ON_PATH: 0,
  KH_NOT_HTTP: 1,
  KH_METHOD: 2,
  KH_TARGET: 3,
  KH_VERSION: 4,
  KH_HEAD_SPLIT: 5,
  KH_HEAD_LARGE: 6,
  KH_FIELD: 7,
  KH_LENGTH: 8,
  KH_CODED: 9,
  KH_CONNECTION: 10,
  KH_UPGRADE: 11,
  KH_EXPECT: 12,
  KH_HOST: 13,
  KH_LARGE: 14,
  KH_PIPELINED: 15,
  KH_UNREAD: 16,
  KH_NO_ROUTE: 17,
  KH_RULE: 18,
  KH_POLICY: 19,
  KH_POOL_EMPTY: 20,
  KH_OFF: 21,
  KH_PIECES: 22,
  KH_LOST: 23,
  KH_NO_LENGTH: 24,
  KH_STATUS: 25,
  KH_BY_AGENT: 26,
  KH_ZERO_COPY_SENDER: 27,
  KH_NOT_READING: 28,
  KH_REASONS: 32,
} as const

/** struct kh_backend, 88 bytes. */
export type KhBackend = {
  readonly owner: bigint
  readonly startedNs: bigint
  readonly caller: bigint
  readonly state: number
  readonly parts: number
  readonly pool: number
  readonly count: number
  readonly left: number
  readonly sent: number
  readonly promised: number
  readonly promisedBefore: number
  readonly answered: bigint
  readonly requestBytes: number
  readonly responseBytes: number
  readonly waitedUs: number
  readonly kept: number
  readonly status: number
  readonly isToHead: number
  readonly isRepeatable: number
  readonly isSampled: number
  readonly rest: number
  readonly end: number
}

/** enum kh_backend_state. */
export const khBackendState = {
  KH_IDLE: 0,
  KH_AT_HEAD: 1,
  KH_IN_BODY: 2,
  KH_ANSWERED: 3,
  KH_RELAYED: 4,
  KH_DEAD: 5,
  KH_UNHEARD: 6,
} as const

/** enum kh_parts. */
export const khParts = {
  KH_REQUEST_ENDED: 1,
  KH_RESPONSE_ENDED: 2,
} as const

/** struct kh_socket, 416 bytes. */
export type KhSocket = {
  readonly cookie: bigint
  readonly caller: bigint
  readonly partner: bigint
  readonly bodyLeft: number
  readonly rest: number
  readonly pieces: number
  readonly service: number
  readonly role: number
  readonly read: number
  readonly nothing: number
  readonly hashes: readonly bigint[]
  readonly field: KhFieldKey
}

/** struct kh_field_key, 104 bytes. */
export type KhFieldKey = {
  readonly table: number
  readonly nameLength: number
  readonly valueLength: number
  readonly name: Uint8Array
  readonly value: Uint8Array
}

/** struct kh_kept, 2048 bytes. */
export type KhKept = {
  readonly bytes: Uint8Array
}

/** struct kh_pair, 48 bytes. */
export type KhPair = {
  readonly netns: bigint
  readonly remote: KhPlace
  readonly local: KhPlace
}

/** struct kh_place, 20 bytes. */
export type KhPlace = {
  readonly address: Uint8Array
  readonly portBe: number
  readonly zero: Uint8Array
}

/** struct kh_expected, 16 bytes. */
export type KhExpected = {
  readonly cookie: bigint
  readonly pool: number
  readonly zero: number
}

/** struct kh_listener, 32 bytes. */
export type KhListener = {
  readonly netns: bigint
  readonly place: KhPlace
  readonly zero: number
}

/** struct kh_table, 24 bytes. */
export type KhTable = {
  readonly id: number
  readonly flags: number
  readonly nameLengths: bigint
  readonly depths: number
  readonly zero: number
}

/** enum kh_table_flags. */
export const khTableFlags = {
  KH_HAS_HOSTS: 1,
  KH_HAS_QUERY: 2,
} as const

/** struct kh_host_key, 72 bytes. */
export type KhHostKey = {
  readonly table: number
  readonly length: number
  readonly host: Uint8Array
}

/** struct kh_path_key, 16 bytes. */
export type KhPathKey = {
  readonly table: number
  readonly depth: number
  readonly hash: bigint
}

/** struct kh_path, 248 bytes. */
export type KhPath = {
  readonly first: number
  readonly count: number
  readonly length: number
  readonly path: Uint8Array
}

/** struct kh_rule, 128 bytes. */
export type KhRule = {
  readonly methods: number
  readonly action: number
  readonly fields: bigint
  readonly number: number
  readonly draws: number
  readonly open: number
  readonly zero: number
  readonly targets: readonly KhTarget[]
}

/** enum kh_method. */
export const khMethod = {
  KH_GET: 1,
  KH_HEAD: 2,
  KH_POST: 4,
  KH_PUT: 8,
  KH_DELETE: 16,
  KH_OPTIONS: 32,
  KH_PATCH: 64,
} as const

/** enum kh_action. */
export const khAction = {
  KH_TO_POOLS: 1,
  KH_TO_USER: 2,
  KH_TO_USER_WITH_QUERY: 3,
} as const

/** struct kh_target, 12 bytes. */
export type KhTarget = {
  readonly below: number
  readonly pool: number
  readonly count: number
}

/** struct kh_permission, 16 bytes. */
export type KhPermission = {
  readonly caller: bigint
  readonly table: number
  readonly number: number
}

/** struct kh_counts, 384 bytes. */
export type KhCounts = {
  readonly classes: readonly bigint[]
  readonly requestBytes: bigint
  readonly responseBytes: bigint
  readonly nanoseconds: bigint
  readonly waitedUs: bigint
  readonly buckets: readonly bigint[]
  readonly waits: readonly bigint[]
}

/** struct kh_counted, 2432 bytes. */
export type KhCounted = {
  readonly told: KhCounts
  readonly length: bigint
  readonly target: Uint8Array
}

/** struct kh_event, 72 bytes. */
export type KhEvent = {
  readonly kind: number
  readonly pool: number
  readonly client: bigint
  readonly backend: bigint
  readonly pair: KhPair
}

/** enum kh_event_kind. */
export const khEventKind = {
  KH_CLIENT_OPENED: 1,
  KH_CLIENT_CLOSED: 2,
  KH_BACKEND_OPENED: 3,
  KH_BACKEND_CLOSED: 4,
  KH_RESPONSE_RELAYED: 5,
  KH_BACKEND_DEAD: 6,
  KH_PAIR_BROKEN: 7,
  KH_POOL_WAS_EMPTY: 8,
  KH_SAMPLED: 9,
  KH_ZERO_COPY: 10,
} as const

/** struct kh_sample, 560 bytes. */
export type KhSample = {
  readonly kind: number
  readonly count: number
  readonly client: bigint
  readonly caller: bigint
  readonly tookNs: bigint
  readonly waitedUs: number
  readonly requestBytes: number
  readonly responseBytes: number
  readonly status: number
  readonly kept: number
  readonly bytes: Uint8Array
}

/** Keys and values of the maps; of per-CPU maps, the value of one CPU. */
export interface Maps {
  readonly kh_clients: { readonly key: bigint; readonly value: KhClient }
  readonly kh_backends: { readonly key: bigint; readonly value: KhBackend }
  readonly kh_storage: { readonly key: number; readonly value: KhSocket }
  readonly kh_sockets: { readonly key: bigint; readonly value: bigint }
  readonly kh_kept: { readonly key: bigint; readonly value: KhKept }
  readonly kh_pairs: { readonly key: KhPair; readonly value: bigint }
  readonly kh_expected: { readonly key: KhPair; readonly value: KhExpected }
  readonly kh_joined: { readonly key: bigint; readonly value: number }
  readonly kh_not_reading: { readonly key: bigint; readonly value: number }
  readonly kh_listeners: { readonly key: KhListener; readonly value: number }
  readonly kh_tables: { readonly key: number; readonly value: KhTable }
  readonly kh_hosts: { readonly key: KhHostKey; readonly value: KhTable }
  readonly kh_paths: { readonly key: KhPathKey; readonly value: KhPath }
  readonly kh_rules: { readonly key: number; readonly value: KhRule }
  readonly kh_fields: { readonly key: KhFieldKey; readonly value: number }
  readonly kh_permissions: { readonly key: KhPermission; readonly value: number }
  readonly kh_counts: { readonly key: number; readonly value: KhCounts }
  readonly kh_counted: { readonly key: number; readonly value: KhCounted }
  readonly kh_reasons: { readonly key: number; readonly value: bigint }
  readonly kh_pools: { readonly key: number; readonly value: number }
  readonly kh_events: { readonly key: undefined; readonly value: undefined }
  readonly kh_lost: { readonly key: number; readonly value: bigint }
}
