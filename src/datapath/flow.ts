import type { CompiledNetworkPolicy, PolicyRule } from '../model/index.ts'
import type { AddressBytes } from './address.ts'
import { swapPort } from './address.ts'
import type { Endpoint, FlowEnd as FlowEnded, FlowEvent } from './generated/sockets.ts'

/** enum verdict of bpf/datapath/types.h */
const verdicts = {
  1: 'allowed',
  2: 'egress-denied',
  3: 'ingress-denied',
  4: 'no-endpoint',
  5: 'no-identity',
} as const

/** ROLE_SERVER */
const serverRole = 2
export type FlowVerdict = (typeof verdicts)[keyof typeof verdicts] | 'unknown'

/** @param verdict  of an event */
export function verdictOf(verdict: number): FlowVerdict {
  return verdicts[verdict as keyof typeof verdicts] ?? 'unknown'
}

export interface FlowEnd {
  readonly address: AddressBytes
  readonly port: number
}

/** What a program asked for, and what came of it. */
export interface Flow {
  /** A connection or the first datagram to somebody; or the end of these, which has neither ids nor rules. */
  readonly kind: 'begin' | 'end'
  /** CLOCK_MONOTONIC */
  readonly timeNs: bigint
  readonly verdict: FlowVerdict
  /** Of IP. */
  readonly protocol: number
  /** Whether the workload asked, or somebody asked it. */
  readonly role: 'client' | 'server'
  /** Id of the workload's cgroup. */
  readonly cgroup: bigint
  /** `namespace/name`; undefined when it is gone. */
  readonly workload: string | undefined
  readonly socketCookie: bigint
  /** As the program asked; of a server, its own end. */
  readonly asked: FlowEnd
  /** Where it was led: the same, an endpoint, or the proxy. */
  readonly given: FlowEnd
  /** `shop/db:5432`; undefined where the address is no Service's. */
  readonly service: string | undefined
  readonly fromIdentity: number
  readonly toIdentity: number
  /** That allowed; none where no policy selects that end. */
  readonly rules: readonly PolicyRule[]
  /** `namespace/name` of those whose fault a refusal is. */
  readonly policies: readonly string[]
  /** Of ends. */
  readonly transfer: FlowTransfer | undefined
}

export interface FlowTransfer {
  /** Of the program's data, as far as the other end has taken them. */
  readonly sentBytes: number
  readonly receivedBytes: number
  /** Since connect(); of datagrams from the first to the last. */
  readonly durationMs: number
  /** Until the connection was there; undefined for one that never was, and for datagrams. */
  readonly connectMs: number | undefined
  /** Smoothed; 0 for datagrams. */
  readonly roundTripMs: number
}

/** What numbers of an event stand for. */
export interface FlowNames {
  readonly serviceAt: (asked: Endpoint) => string | undefined
  readonly workloadOf: (cgroup: bigint) => string | undefined
  readonly policies: Pick<CompiledNetworkPolicy, 'rules' | 'classes'>
}

/** @param end  of an event that is one */
export function flowOf(event: FlowEvent, end: FlowEnded | undefined, names: FlowNames): Flow {
  const { serviceAt, workloadOf, policies } = names
  const rules = [event.egressRule, event.ingressRule].flatMap(id => policies.rules.get(id) ?? [])
  return {
    kind: end === undefined ? 'begin' : 'end',
    timeNs: event.timeNs,
    verdict: verdictOf(event.verdict),
    protocol: event.asked.protocol,
    role: event.role === serverRole ? 'server' : 'client',
    cgroup: event.cgroup,
    workload: workloadOf(event.cgroup),
    socketCookie: event.cookie,
    asked: { address: event.asked.address.bytes, port: swapPort(event.asked.portBe) },
    given: { address: event.given.address.bytes, port: swapPort(event.given.portBe) },
    service: serviceAt(event.asked),
    fromIdentity: event.fromIdentity,
    toIdentity: event.toIdentity,
    rules,
    policies: policies.classes.get(event.classId)?.policies ?? [],
    transfer: end === undefined ? undefined : transferOf(end),
  }
}

function transferOf({ sentBytes, receivedBytes, durationNs, connectNs, roundTripUs }: FlowEnded): FlowTransfer {
  return {
    sentBytes: Number(sentBytes),
    receivedBytes: Number(receivedBytes),
    durationMs: Number(durationNs) / 1e6,
    connectMs: connectNs === 0n ? undefined : Number(connectNs) / 1e6,
    roundTripMs: roundTripUs / 1000,
  }
}
