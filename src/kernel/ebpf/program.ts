import { MeshError } from '../../core/index.ts'
import { errnoName } from '../syscall.ts'
import type { Btf } from './btf.ts'
import { command, errno } from './bpf.ts'
import type { Bpf, Descriptor } from './bpf.ts'
import { missingCapabilities } from './capabilities.ts'
import { programFeature, sleepable, supports, unsupported } from './feature.ts'
import { programInfo } from './info.ts'
import type { ProgramInfo } from './info.ts'
import { instructionBytes } from './link-programs.ts'
import type { ProgramSpec } from './link-programs.ts'
import type { BpfMap, LoadedTypes } from './map.ts'
import { openPin, pin } from './pin.ts'
import type { PinOptions } from './pin.ts'
import { programKind, tracedBy } from './program-kind.ts'
import type { ProgramSection, Traced } from './program-kind.ts'
import { fitProgram } from './type-relocation.ts'
import type { MissingType } from './type-relocation.ts'
import { verifierError } from './verifier-error.ts'

/** Room for what the verifier says; it writes nothing at all when it does not fit before Linux 6.4. */
const logBytes = 16 << 20

export interface LoadProgramOptions {
  readonly license: string
  /** By name, those of data sections (`.rodata`) included; borrowed. */
  readonly maps: ReadonlyMap<string, BpfMap>
  /** Without them an error names no line, and callbacks cannot be loaded. */
  readonly types?: LoadedTypes
  /** The object's types, for programs that follow structs of the kernel. */
  readonly btf?: Btf
}

/** The verifier gives up when a signal comes; so often it is asked again. */
const mostTries = 5

/**
 * Loads a program: the kernel verifies and compiles it.
 *
 * @throws MeshError MESH_EBPF_REFUSED with the reason, the instruction and its line of C; MESH_KERNEL_UNSUPPORTED;
 *   MESH_KERNEL_SYSCALL
 */
export function loadProgram(bpf: Bpf, spec: ProgramSpec, options: LoadProgramOptions): Program {
  const ready = makeReady(bpf, spec, options)
  const own = (fd: number): Program => new Program(bpf, bpf.own(fd, `program ${spec.name}`), spec)
  const answer = tryLoad(bpf, spec, options, ready)
  if (answer >= 0) return own(answer)
  // Again with a log: writing one costs the verifier as much as its work.
  const log = Buffer.allocUnsafeSlow(logBytes)
  log[0] = 0
  const second = tryLoad(bpf, spec, options, { ...ready, log })
  // Lets go of the log.
  bpf.attr(command.progLoad)
  if (second >= 0) return own(second)
  const text = log.toString('latin1', 0, log.indexOf(0))
  if (text.trim() !== '') throw verifierError(spec, { errno: errnoName(-second), log: text, missing: ready.missing })
  if (-second === errno.einval) {
    const feature = programFeature(spec.section)
    if (supports(bpf, feature) === false) throw unsupported(feature, `program ${spec.name}`)
  }
  const needs = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'] as const
  throw bpf.failure({
    call: 'bpf(PROG_LOAD)',
    errno: -second,
    object: `program ${spec.name} of kind ${spec.section}`,
    needs,
    ...(ready.typeId !== 0 && missingCapabilities(needs).length === 0
      ? { hint: 'this kernel may be built without tracing of functions (CONFIG_DYNAMIC_FTRACE)' }
      : {}),
  })
}

/** A program with everything that this kernel decides filled in. */
interface ReadyProgram {
  readonly instructions: Buffer
  readonly missing: readonly MissingType[]
  /** BTF id of the kernel's function or tracepoint that a tracing program belongs to; 0 for others. */
  readonly typeId: number
  readonly log?: Buffer
}

function makeReady(bpf: Bpf, spec: ProgramSpec, options: LoadProgramOptions): ReadyProgram {
  const instructions = fillReferences(spec, options.maps)
  for (const { index, name } of spec.kernelCalls) {
    instructions.writeInt32LE(tracedId(bpf, spec, { kind: 'function', name }), index * instructionBytes + 4)
  }
  const traced = tracedBy(spec.section)
  const typeId = traced === undefined ? 0 : tracedId(bpf, spec, traced)
  if (spec.typeRelocations.length === 0) return { instructions, missing: [], typeId }
  if (options.btf === undefined)
    throw new TypeError(`program ${spec.name}: its types are needed to fit it to the kernel`)
  return { ...fitProgram(spec, instructions, { local: options.btf, kernel: bpf.kernelTypes() }), typeId }
}

function tracedId(bpf: Bpf, spec: ProgramSpec, traced: Traced): number {
  const id = bpf.kernelTypes().tracedId(traced)
  if (id !== undefined) return id
  const what = traced.kind === 'function' ? `function ${traced.name}()` : `tracepoint ${traced.name}`
  throw new MeshError('MESH_KERNEL_UNSUPPORTED', `program ${spec.name}: this kernel has no ${what}`, {
    source: 'kernel',
    hint: 'it may be of another version, inlined, or in a module',
  })
}

function tryLoad(bpf: Bpf, spec: ProgramSpec, options: LoadProgramOptions, ready: ReadyProgram): number {
  const { type, attach } = programKind(spec.section)
  const { instructions, log, typeId } = ready
  const attr = bpf
    .attr(command.progLoad)
    .u32(0, type)
    .u32(4, instructions.length / instructionBytes)
    .memory(8, instructions)
    .memory(16, Buffer.from(`${options.license}\0`))
    .u32(44, spec.section === 'syscall' ? sleepable : 0)
    .name(48, spec.name)
    .u32(68, attach)
    .u32(108, typeId)
  if (log !== undefined) attr.u32(24, 1).u32(28, log.length).memory(32, log)
  if (options.types !== undefined && spec.functionRecords.length > 0) {
    attr.u32(72, options.types.fd)
    attr
      .u32(76, 8)
      .memory(80, spec.functionRecords)
      .u32(88, spec.functionRecords.length / 8)
    attr
      .u32(92, 16)
      .memory(96, spec.lineRecords)
      .u32(104, spec.lineRecords.length / 16)
  }
  let answer = -errno.eagain
  for (let tries = 0; tries < mostTries && answer === -errno.eagain; tries++) answer = bpf.try(command.progLoad, attr)
  return answer
}

function fillReferences(spec: ProgramSpec, maps: ReadonlyMap<string, BpfMap>): Buffer {
  const instructions = Buffer.from(spec.instructions)
  for (const { index, map, offset } of spec.references) {
    const fd = maps.get(map)?.fd
    if (fd === undefined) throw new TypeError(`program ${spec.name}: no map ${map} is given`)
    instructions.writeInt32LE(fd, index * instructionBytes + 4)
    if (offset !== undefined) instructions.writeInt32LE(offset, index * instructionBytes + 12)
  }
  return instructions
}

/** What a test run saw. */
export interface TestRun {
  /** What the program returned, as a number without sign. */
  readonly returned: number
  /** Mean time of a run. */
  readonly durationNs: number
  /** The packet as the program left it; empty for kinds without one. */
  readonly data: Buffer
}

/** A program in the kernel. It runs for as long as a link, a pin or this descriptor holds it. */
export class Program implements Disposable {
  readonly name: string
  readonly section: ProgramSection
  readonly #bpf: Bpf
  readonly #descriptor: Descriptor

  constructor(bpf: Bpf, descriptor: Descriptor, of: { readonly name: string; readonly section: ProgramSection }) {
    this.#bpf = bpf
    this.#descriptor = descriptor
    this.name = of.name
    this.section = of.section
  }

  /** @throws MeshError MESH_EBPF_CLOSED */
  get fd(): number {
    return this.#descriptor.fd
  }

  /** `program connect4` */
  get what(): string {
    return `program ${this.name}`
  }

  /** @throws MeshError MESH_KERNEL_SYSCALL */
  info(): ProgramInfo {
    return programInfo(this.#bpf, this.fd, this.what)
  }

  /**
   * Runs it without an event: kinds tc, socket, xdp, cgroup_skb and syscall.
   *
   * @param options.data  a packet, at least 14 bytes; none for syscall
   * @param options.context  for syscall: what the program's argument points to
   * @param options.repeat  runs, for measuring; @default 1
   * @throws MeshError MESH_KERNEL_SYSCALL, EOPNOTSUPP (524) for other kinds
   */
  test(options: { readonly data?: Uint8Array; readonly context?: Uint8Array; readonly repeat?: number } = {}): TestRun {
    const input = options.data === undefined ? undefined : Buffer.from(options.data)
    // Room for what the program adds in front.
    const output = Buffer.allocUnsafeSlow((input?.length ?? 0) + 256)
    const attr = this.#bpf.attr(command.progTestRun).u32(0, this.fd)
    if (input !== undefined) {
      attr
        .u32(8, input.length)
        .u32(12, output.length)
        .memory(16, input)
        .memory(24, output)
        .u32(32, options.repeat ?? 1)
    }
    if (options.context !== undefined) attr.u32(40, options.context.length).memory(48, options.context)
    const answer = this.#bpf.try(command.progTestRun, attr)
    if (answer < 0) throw this.#bpf.failure({ call: 'bpf(PROG_TEST_RUN)', errno: -answer, object: this.what })
    return {
      returned: attr.bytes.readUInt32LE(4),
      durationNs: attr.bytes.readUInt32LE(36),
      data: output.subarray(0, input === undefined ? 0 : attr.bytes.readUInt32LE(12)),
    }
  }

  /** @throws MeshError MESH_KERNEL_SYSCALL */
  pin(path: string, options: PinOptions = {}): void {
    pin(this.#bpf, this, path, options)
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]()
  }
}

/** @returns undefined when nothing is pinned there @throws MeshError MESH_KERNEL_SYSCALL */
export function openProgram(
  bpf: Bpf,
  path: string,
  of: { readonly name: string; readonly section: ProgramSection },
): Program | undefined {
  const descriptor = openPin(bpf, path, `program ${of.name}`)
  return descriptor === undefined ? undefined : new Program(bpf, descriptor, of)
}
