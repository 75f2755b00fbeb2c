/** How the kernel numbers what a program is and where it goes (bpf_prog_type, bpf_attach_type of linux/bpf.h). */
export interface ProgramKind {
  readonly type: number
  /** expected_attach_type, and the attach type of its link. */
  readonly attach: number
  /** How it gets to its place: a cgroup, a map of sockets, a function or tracepoint of the kernel, or not by this library. */
  readonly target: 'cgroup' | 'sockets' | 'kernel-function' | 'none'
  /** First kernel that has it, `5.8`. */
  readonly firstKernel: string
}

const cgroup = (type: number, attach: number, firstKernel: string): ProgramKind => ({
  type,
  attach,
  target: 'cgroup',
  firstKernel,
})
const sockets = (type: number, attach: number, firstKernel: string): ProgramKind => ({
  type,
  attach,
  target: 'sockets',
  firstKernel,
})
const other = (type: number, attach: number, firstKernel: string): ProgramKind => ({
  type,
  attach,
  target: 'none',
  firstKernel,
})

/** Names of ELF sections that hold programs; those of libbpf. */
export type ProgramSection = PlainSection | TracingSection

/** At the start or the end of a function of the kernel, `fentry/tcp_connect`, or at a tracepoint, `tp_btf/sk_data_ready`. */
export type TracingSection = `fentry/${string}` | `fexit/${string}` | `tp_btf/${string}`

/** Sections whose name says all. */
export type PlainSection =
  | 'cgroup_skb/ingress'
  | 'cgroup_skb/egress'
  | 'cgroup/sock_create'
  | 'cgroup/sock_release'
  | 'cgroup/post_bind4'
  | 'cgroup/post_bind6'
  | 'cgroup/bind4'
  | 'cgroup/bind6'
  | 'cgroup/connect4'
  | 'cgroup/connect6'
  | 'cgroup/sendmsg4'
  | 'cgroup/sendmsg6'
  | 'cgroup/recvmsg4'
  | 'cgroup/recvmsg6'
  | 'cgroup/getpeername4'
  | 'cgroup/getpeername6'
  | 'cgroup/getsockname4'
  | 'cgroup/getsockname6'
  | 'cgroup/getsockopt'
  | 'cgroup/setsockopt'
  | 'sockops'
  | 'sk_msg'
  | 'sk_skb/stream_parser'
  | 'sk_skb/stream_verdict'
  | 'sk_skb/verdict'
  | 'socket'
  | 'tc'
  | 'xdp'
  | 'syscall'

/** By the name of the ELF section, `SEC("cgroup/connect4")`. */
export const programKinds: Readonly<Record<PlainSection, ProgramKind>> = {
  'cgroup_skb/ingress': cgroup(8, 0, '4.10'),
  'cgroup_skb/egress': cgroup(8, 1, '4.10'),
  'cgroup/sock_create': cgroup(9, 2, '4.10'),
  'cgroup/sock_release': cgroup(9, 34, '5.9'),
  'cgroup/post_bind4': cgroup(9, 12, '4.17'),
  'cgroup/post_bind6': cgroup(9, 13, '4.17'),
  'cgroup/bind4': cgroup(18, 8, '4.17'),
  'cgroup/bind6': cgroup(18, 9, '4.17'),
  'cgroup/connect4': cgroup(18, 10, '4.17'),
  'cgroup/connect6': cgroup(18, 11, '4.17'),
  'cgroup/sendmsg4': cgroup(18, 14, '4.18'),
  'cgroup/sendmsg6': cgroup(18, 15, '4.18'),
  'cgroup/recvmsg4': cgroup(18, 19, '5.2'),
  'cgroup/recvmsg6': cgroup(18, 20, '5.2'),
  'cgroup/getpeername4': cgroup(18, 29, '5.8'),
  'cgroup/getpeername6': cgroup(18, 30, '5.8'),
  'cgroup/getsockname4': cgroup(18, 31, '5.8'),
  'cgroup/getsockname6': cgroup(18, 32, '5.8'),
  'cgroup/getsockopt': cgroup(25, 21, '5.3'),
  'cgroup/setsockopt': cgroup(25, 22, '5.3'),
  sockops: cgroup(13, 3, '4.13'),
  sk_msg: sockets(16, 7, '4.17'),
  'sk_skb/stream_parser': sockets(14, 4, '4.14'),
  'sk_skb/stream_verdict': sockets(14, 5, '4.14'),
  'sk_skb/verdict': sockets(14, 38, '5.13'),
  socket: other(1, 0, '3.19'),
  tc: other(3, 0, '4.1'),
  xdp: other(6, 37, '4.8'),
  syscall: other(31, 0, '5.14'),
}

/** BPF_PROG_TYPE_TRACING with BPF_TRACE_FENTRY, BPF_TRACE_FEXIT and BPF_TRACE_RAW_TP. */
const tracingKinds: Readonly<Record<string, ProgramKind>> = {
  fentry: { type: 26, attach: 24, target: 'kernel-function', firstKernel: '5.5' },
  fexit: { type: 26, attach: 25, target: 'kernel-function', firstKernel: '5.5' },
  tp_btf: { type: 26, attach: 23, target: 'kernel-function', firstKernel: '5.5' },
}

/** Whether an ELF section holds programs of a kind that this library knows. */
export function isProgramSection(section: string): section is ProgramSection {
  return Object.hasOwn(programKinds, section) || tracedBy(section) !== undefined
}

/** What the kernel has to be told of programs of a section. */
export function programKind(section: ProgramSection): ProgramKind {
  const tracing = tracingKinds[section.slice(0, section.indexOf('/'))]
  return tracing ?? programKinds[section as PlainSection]
}

/** What a program traces. */
export interface Traced {
  readonly kind: 'function' | 'tracepoint'
  readonly name: string
}

/** Function `tcp_connect` of `fentry/tcp_connect`; undefined for what is attached elsewhere. */
export function tracedBy(section: string): Traced | undefined {
  const [, kind, name] = /^(fentry|fexit|tp_btf)\/(\w+)$/.exec(section) ?? []
  if (kind === undefined || name === undefined) return undefined
  return { kind: kind === 'tp_btf' ? 'tracepoint' : 'function', name }
}
