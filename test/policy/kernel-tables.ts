import { closeSync } from 'node:fs'
import { NativeCalls } from '../../src/kernel/index.ts'
import { firstIdentity, fixedGroups } from '../../src/model/index.ts'
import type { BlockGroup, NetworkPolicyStep, PolicyClass } from '../../src/model/index.ts'
import type { NetworkParty, NetworkProbe } from '../../src/policy/index.ts'

// A compiled policy in real maps of the kernel, looked up as a kernel program
// would. Layouts, integers in the machine's order unless said otherwise:
//
//   subjects  hash  { u32 identity }                                  -> { u32 ingress, egress }
//   peers     hash  { u32 class, identity }                           -> u32 group
//   blocks    trie  { u32 prefixlen, u32 class * 2 + isIPv6, u8 address[16] }     -> u32 group
//   ports     trie  { u32 prefixlen, u32 class, group, u8 protocol, be16 port, u8 } -> u32 rule

const call = { MAP_CREATE: 0n, MAP_LOOKUP_ELEM: 1n, MAP_UPDATE_ELEM: 2n, MAP_DELETE_ELEM: 3n } as const
const mapTypes = { hash: 1, trie: 11 } as const
const bpf = process.arch === 'arm64' ? 280n : 321n
const scopeBits = 32
const portScopeBits = 64
const portBits = 24

const functions = {
  syscall: { return: 'int64', arguments: ['int64', 'int64', 'uint64', 'uint64'] },
} as const

/** A hash or a trie with values of `valueBytes`. */
class KernelMap implements Disposable {
  readonly #native: NativeCalls<typeof functions>
  readonly #fd: number
  readonly #value: Buffer

  constructor(
    native: NativeCalls<typeof functions>,
    type: keyof typeof mapTypes,
    keyBytes: number,
    valueBytes: number,
  ) {
    this.#native = native
    this.#value = Buffer.allocUnsafeSlow(valueBytes)
    const attr = Buffer.allocUnsafeSlow(160).fill(0)
    attr.writeUInt32LE(mapTypes[type], 0)
    attr.writeUInt32LE(keyBytes, 4)
    attr.writeUInt32LE(valueBytes, 8)
    attr.writeUInt32LE(4096, 12)
    // BPF_F_NO_PREALLOC, which a trie has to have.
    attr.writeUInt32LE(type === 'trie' ? 1 : 0, 16)
    this.#fd = this.#call(call.MAP_CREATE, attr)
    if (this.#fd < 0) throw this.#native.failure('bpf(MAP_CREATE)')
  }

  set(key: Uint32Array | Buffer, ...values: readonly number[]): void {
    for (const [at, value] of values.entries()) this.#value.writeUInt32LE(value, at * 4)
    if (this.#element(call.MAP_UPDATE_ELEM, key) < 0) throw this.#native.failure('bpf(MAP_UPDATE_ELEM)')
  }

  delete(key: Uint32Array | Buffer): void {
    if (this.#element(call.MAP_DELETE_ELEM, key) < 0) throw this.#native.failure('bpf(MAP_DELETE_ELEM)')
  }

  /** The number at `index` of the value; 0 for none. */
  get(key: Uint32Array | Buffer, index = 0): number {
    return this.#element(call.MAP_LOOKUP_ELEM, key) < 0 ? 0 : this.#value.readUInt32LE(index * 4)
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }

  #element(command: bigint, key: Uint32Array | Buffer): number {
    const bytes = Buffer.allocUnsafeSlow(key.byteLength)
    bytes.set(new Uint8Array(key.buffer, key.byteOffset, key.byteLength))
    const attr = Buffer.allocUnsafeSlow(160).fill(0)
    attr.writeUInt32LE(this.#fd, 0)
    attr.writeBigUInt64LE(this.#native.pointerTo(bytes), 8)
    // The kernel refuses bytes behind the last field of a command.
    if (command !== call.MAP_DELETE_ELEM) attr.writeBigUInt64LE(this.#native.pointerTo(this.#value), 16)
    const result = this.#call(command, attr)
    // Read after the call, so that the key's memory lives until then.
    return bytes.length === 0 ? -1 : result
  }

  #call(command: bigint, attr: Buffer): number {
    return Number(this.#native.call.syscall(bpf, command, this.#native.pointerTo(attr), BigInt(attr.length)))
  }
}

interface ClassRow {
  readonly map: KernelMap
  readonly key: Uint32Array | Buffer
  readonly value: number
}

/** The maps of a compiled policy. Who is at a place is not among them: the tests know it. */
export class KernelTables implements Disposable {
  readonly #stack = new DisposableStack()
  readonly #subjects: KernelMap
  readonly #peers: KernelMap
  readonly #blocks: KernelMap
  readonly #ports: KernelMap

  /** @throws MeshError MESH_KERNEL_SYSCALL, EPERM without CAP_BPF */
  constructor() {
    const native = this.#stack.use(new NativeCalls(functions))
    this.#subjects = this.#stack.use(new KernelMap(native, 'hash', 4, 8))
    this.#peers = this.#stack.use(new KernelMap(native, 'hash', 8, 4))
    this.#blocks = this.#stack.use(new KernelMap(native, 'trie', 24, 4))
    this.#ports = this.#stack.use(new KernelMap(native, 'trie', 16, 4))
  }

  apply(step: NetworkPolicyStep): void {
    switch (step.kind) {
      case 'fill-class':
        for (const { map, key, value } of this.#rowsOf(step.class)) map.set(key, value)
        break
      case 'drop-class':
        for (const { map, key } of this.#rowsOf(step.class)) map.delete(key)
        break
      case 'set-subject':
        this.#subjects.set(Uint32Array.of(step.identity), step.classes.ingress, step.classes.egress)
        break
      case 'remove-subject':
        this.#subjects.delete(Uint32Array.of(step.identity))
        break
      case 'set-place':
      case 'remove-place':
    }
  }

  *#rowsOf({ id, peers, blocks, ports }: PolicyClass): Iterable<ClassRow> {
    for (const [identity, group] of peers) yield { map: this.#peers, key: Uint32Array.of(id, identity), value: group }
    for (const block of blocks) yield { map: this.#blocks, key: blockKey(id, block), value: block.group }
    for (const [group, prefixes] of ports) {
      for (const [prefix, rule] of prefixes) {
        const key = portKey(id, group, prefix >>> 24, (prefix >>> 16) & 0xff, prefix & 0xffff)
        yield { map: this.#ports, key, value: rule }
      }
    }
  }

  /** Number of the rule that allows; 0 for none, undefined where the subject is in no class. */
  rule(
    direction: PolicyClass['direction'],
    subject: NetworkParty,
    peer: NetworkParty,
    { protocol, port }: NetworkProbe,
  ): number | undefined {
    const id = this.#subjects.get(Uint32Array.of(subject.identity), direction === 'ingress' ? 0 : 1)
    if (id === 0) return undefined
    const isMember = peer.identity >= firstIdentity
    const groups = [
      isMember ? this.#peers.get(Uint32Array.of(id, peer.identity)) : 0,
      peer.address === undefined
        ? 0
        : this.#blocks.get(blockKey(id, { bytes: peer.address, prefixLength: peer.address.length * 8 })),
      isMember ? fixedGroups.members : 0,
      fixedGroups.anybody,
    ]
    for (const group of groups) {
      const rule = group === 0 ? 0 : this.#ports.get(portKey(id, group, portBits, protocol, port))
      if (rule !== 0) return rule
    }
    return 0
  }

  [Symbol.dispose](): void {
    this.#stack.dispose()
  }
}

function blockKey(id: number, { bytes, prefixLength }: Omit<BlockGroup, 'group'>): Buffer {
  const key = Buffer.alloc(24)
  key.writeUInt32LE(scopeBits + prefixLength, 0)
  key.writeUInt32LE(id * 2 + (bytes.length === 16 ? 1 : 0), 4)
  key.set(bytes, 8)
  return key
}

function portKey(id: number, group: number, bits: number, protocol: number, port: number): Buffer {
  const key = Buffer.alloc(16)
  key.writeUInt32LE(portScopeBits + bits, 0)
  key.writeUInt32LE(id, 4)
  key.writeUInt32LE(group, 8)
  key.writeUInt8(protocol, 12)
  key.writeUInt16BE(port, 13)
  return key
}
