import { closeSync, constants, openSync } from 'node:fs'
import { MeshError } from '../../core/index.ts'
import { command, errno } from './bpf.ts'
import type { Bpf, Descriptor } from './bpf.ts'
import { cgroupLinkFeature, socketsLinkFeature, supports, unsupported } from './feature.ts'
import { linkInfo } from './info.ts'
import type { LinkInfo } from './info.ts'
import type { BpfMap } from './map.ts'
import { openPin, pin } from './pin.ts'
import type { PinOptions } from './pin.ts'
import type { Program } from './program.ts'
import { programKind, tracedBy } from './program-kind.ts'

/** A program at its place, until the link is closed (or its pin removed). */
export class Link implements Disposable {
  /** `link of connect4 to /sys/fs/cgroup/mesh` */
  readonly what: string
  readonly #bpf: Bpf
  readonly #descriptor: Descriptor

  constructor(bpf: Bpf, descriptor: Descriptor, what: string) {
    this.#bpf = bpf
    this.#descriptor = descriptor
    this.what = what
  }

  /** @throws MeshError MESH_EBPF_CLOSED */
  get fd(): number {
    return this.#descriptor.fd
  }

  /** @throws MeshError MESH_KERNEL_SYSCALL */
  info(): LinkInfo {
    return linkInfo(this.#bpf, this.fd, this.what)
  }

  /**
   * Puts another program in its place, at one moment: every event meets the one or the other.
   *
   * @param options.replaces  refuses when another program than this one is there
   * @throws MeshError MESH_KERNEL_SYSCALL; EPERM when `replaces` is not there
   */
  update(program: Program, options: { readonly replaces?: Program } = {}): void {
    const attr = this.#bpf.attr(command.linkUpdate).u32(0, this.fd).u32(4, program.fd)
    const bpfReplace = 4
    if (options.replaces !== undefined) attr.u32(8, bpfReplace).u32(12, options.replaces.fd)
    const answer = this.#bpf.try(command.linkUpdate, attr)
    if (answer >= 0) return
    throw this.#bpf.failure({
      call: 'bpf(LINK_UPDATE)',
      errno: -answer,
      object: `${this.what}, to ${program.what}`,
      ...(options.replaces === undefined ? {} : { hint: `another program than ${options.replaces.name} may be there` }),
    })
  }

  /** Takes the program away while the link, and its pin, stay as an empty shell. Of cgroup links, from Linux 5.9. */
  detach(): void {
    const answer = this.#bpf.try(command.linkDetach, this.#bpf.attr(command.linkDetach).u32(0, this.fd))
    if (answer < 0) throw this.#bpf.failure({ call: 'bpf(LINK_DETACH)', errno: -answer, object: this.what })
  }

  /** The link outlives the process until the path is removed. @throws MeshError MESH_KERNEL_SYSCALL */
  pin(path: string, options: PinOptions = {}): void {
    pin(this.#bpf, this, path, options)
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]()
  }
}

/**
 * Attaches a program of `fentry/FUNCTION`, `fexit/FUNCTION` or `tp_btf/TRACEPOINT` to that place in the kernel.
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export function attachToKernelFunction(bpf: Bpf, program: Program): Link {
  const what = `link of ${program.name} to ${tracedBy(program.section)?.name ?? '?'}`
  if (programKind(program.section).target !== 'kernel-function') {
    throw new TypeError(`${program.what} is of kind ${program.section}, which traces nothing`)
  }
  const answer = bpf.try(command.rawTracepointOpen, bpf.attr(command.rawTracepointOpen).u32(8, program.fd))
  if (answer >= 0) return new Link(bpf, bpf.own(answer, what), what)
  throw bpf.failure({
    call: 'bpf(RAW_TRACEPOINT_OPEN)',
    errno: -answer,
    object: what,
    needs: ['CAP_BPF', 'CAP_PERFMON'],
  })
}

function createLink(bpf: Bpf, program: Program, target: number): number {
  const { attach } = programKind(program.section)
  return bpf.try(command.linkCreate, bpf.attr(command.linkCreate).u32(0, program.fd).u32(4, target).u32(8, attach))
}

/**
 * Attaches a program to a cgroup and all below it, beside the programs that are there already.
 *
 * The caller owns the link. Needs Linux 5.7, CAP_BPF and CAP_NET_ADMIN.
 *
 * @param cgroup  folder of a cgroup v2 node, `/sys/fs/cgroup/mesh`; a hybrid mount will do
 * @throws MeshError MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL
 */
export function attachToCgroup(bpf: Bpf, program: Program, cgroup: string): Link {
  const what = `link of ${program.name} to ${cgroup}`
  if (programKind(program.section).target !== 'cgroup') {
    throw new TypeError(`${program.what} is of kind ${program.section}, which does not go to cgroups`)
  }
  const fd = openFolder(cgroup, what)
  try {
    const answer = createLink(bpf, program, fd)
    if (answer >= 0) return new Link(bpf, bpf.own(answer, what), what)
    if (answer === -errno.einval && supports(bpf, cgroupLinkFeature) === false)
      throw unsupported(cgroupLinkFeature, what)
    throw bpf.failure({
      call: 'bpf(LINK_CREATE)',
      errno: -answer,
      object: what,
      needs: ['CAP_BPF', 'CAP_NET_ADMIN'],
      ...(answer === -errno.ebadf || answer === -errno.einval
        ? { hint: 'the folder must be a cgroup of version 2' }
        : {}),
    })
  } finally {
    closeSync(fd)
  }
}

function openFolder(cgroup: string, what: string): number {
  try {
    return openSync(cgroup, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'failed'
    throw new MeshError('MESH_KERNEL_SYSCALL', `open: ${code} (${what})`, { source: 'kernel', cause: error })
  }
}

/**
 * Attaches sk_msg and sk_skb programs to a map of sockets. A socket takes the program when it is inserted: attach first.
 *
 * Where the kernel has no links for them (before 6.10), the program is attached to the map itself and stays there until
 * this is disposed; then `link` is undefined.
 *
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export function attachToSockets(bpf: Bpf, program: Program, map: BpfMap): SocketsAttachment {
  const what = `link of ${program.name} to ${map.what}`
  if (programKind(program.section).target !== 'sockets') {
    throw new TypeError(`${program.what} is of kind ${program.section}, which does not go to maps of sockets`)
  }
  const answer = createLink(bpf, program, map.fd)
  if (answer >= 0) {
    const link = new Link(bpf, bpf.own(answer, what), what)
    return { link, [Symbol.dispose]: () => link[Symbol.dispose]() }
  }
  if (answer !== -errno.einval || supports(bpf, socketsLinkFeature) !== false) {
    throw bpf.failure({ call: 'bpf(LINK_CREATE)', errno: -answer, object: what, needs: ['CAP_BPF', 'CAP_NET_ADMIN'] })
  }
  return attachWithoutLink(bpf, program, map)
}

/** Where a program runs for the sockets of a map. */
export interface SocketsAttachment extends Disposable {
  readonly link: Link | undefined
}

/** PROG_ATTACH, for kernels before links of sk_msg. */
export function attachWithoutLink(bpf: Bpf, program: Program, map: BpfMap): SocketsAttachment {
  const { attach } = programKind(program.section)
  const ask = (of: number): number => bpf.try(of, bpf.attr(of).u32(0, map.fd).u32(4, program.fd).u32(8, attach))
  const answer = ask(command.progAttach)
  if (answer < 0) {
    throw bpf.failure({
      call: 'bpf(PROG_ATTACH)',
      errno: -answer,
      object: `${program.what} to ${map.what}`,
      needs: ['CAP_BPF', 'CAP_NET_ADMIN'],
    })
  }
  let isAttached = true
  return {
    link: undefined,
    [Symbol.dispose]() {
      if (isAttached) ask(command.progDetach)
      isAttached = false
    },
  }
}

/** @returns undefined when nothing is pinned there @throws MeshError MESH_KERNEL_SYSCALL */
export function openLink(bpf: Bpf, path: string): Link | undefined {
  const what = `link at ${path}`
  const descriptor = openPin(bpf, path, what)
  return descriptor === undefined ? undefined : new Link(bpf, descriptor, what)
}
