import { formatIpAddress, recordTypes, responseCodes, unmapIpAddress } from '../../codec/index.ts'
import type { Clock, Meter } from '../../core/index.ts'
import type { Flow, FlowEnd } from '../../datapath/index.ts'
import { ipProtocols, reservedIdentities } from '../../model/index.ts'
import type { AccessRecord, NetworkPolicySet } from '../../model/index.ts'
import type { NameResolved } from '../../names/index.ts'
import { Feed } from '../feed.ts'
import type {
  ConnectionRecord,
  FlowDestination,
  FlowRecord,
  FlowSource,
  RequestRecord,
  TransferRecord,
} from './flow-record.ts'

export interface FlowBookOptions {
  readonly clock: Clock
  readonly meter: Meter
  /** Whether anybody tells of flows. */
  readonly isActive: boolean
  /** Told when somebody begins to follow, and when nobody does any more. */
  readonly onFollowed?: (isFollowed: boolean) => void
}

/**
 * The flows of the mesh as people read them, for those who follow, and what is
 * counted of them: by the Services at both ends. Metrics have as many series as
 * the registry lets them; all further pairs are counted as `other`.
 */
export class FlowBook {
  readonly feed: Feed<FlowRecord>
  readonly isActive: boolean
  readonly #clock: Clock
  readonly #meter: Meter
  /** Service by workload. */
  #services = new Map<string, string>()
  #identities: NetworkPolicySet['identities'] = new Map()
  /** Workload by where it listens. */
  #listeners = new Map<string, string>()
  #lost = 0n

  constructor({ clock, meter, isActive, onFollowed }: FlowBookOptions) {
    this.feed = new Feed(onFollowed)
    this.#clock = clock
    this.#meter = meter
    this.isActive = isActive
    // From the start, so that the first loss is an increase.
    this.lost(0n)
  }

  /** Who is who, from now on. */
  update({ members, identities }: Pick<NetworkPolicySet, 'members' | 'identities'>): void {
    this.#identities = identities
    this.#services = new Map(members.map(({ key, identity }) => [key, identities.get(identity)?.service ?? '']))
    const listeners = members.flatMap(({ key, address, ports }) =>
      ports.map(({ protocol, port }) => [placeText(endText({ address, port }), ipProtocols[protocol]), key] as const),
    )
    this.#listeners = new Map(listeners)
  }

  flow(flow: Flow): void {
    const record = this.#recordOf(flow)
    const labels = { source: nameOf(record.source), destination: nameOf(record.destination) }
    const { kind, verdict, transfer } = record
    if (kind !== 'closed') {
      const result = kind === 'failed' ? kind : verdict
      this.#meter.counter('heddle_flows_total', { ...labels, verdict: result }).value++
    }
    if (transfer !== undefined) {
      const bytes = { sent: transfer.sentBytes, received: transfer.receivedBytes }
      for (const direction of ['sent', 'received'] as const) {
        this.#meter.counter('heddle_flow_bytes_total', { ...labels, direction }).value += bytes[direction]
      }
    }
    this.feed.push(record)
  }

  /** That passed in the kernel. Not counted: metrics have all of them, and this is told of some. */
  request(record: AccessRecord): void {
    this.feed.tell(this.#requestOf(record))
  }

  /** Of programs of the mesh; what others ask is no flow. */
  name({ asker, name, type, source, responseCode, addresses, durationMs }: NameResolved): void {
    if (asker === undefined) return
    this.feed.push({
      kind: 'name',
      timeMs: this.#clock.wallMs(),
      source: this.#sourceOf(asker.workload),
      name,
      type: typeNames.get(type) ?? String(type),
      answeredBy: source,
      verdict: codeNames.get(responseCode) ?? String(responseCode),
      addresses,
      durationMs,
    })
  }

  /** @param total  events that found no room, since the programs were loaded */
  lost(total: bigint): void {
    if (!this.isActive) return
    const metric = this.#meter.counter('heddle_flow_events_lost_total', {})
    // Programs of a newer load begin anew.
    const count = Number(total < this.#lost ? total : total - this.#lost)
    this.#lost = total
    if (count === 0) return
    metric.value += count
    this.feed.push({ kind: 'lost', timeMs: this.#clock.wallMs(), count })
  }

  #recordOf(flow: Flow): ConnectionRecord {
    const { verdict, protocol, policies, rules, workload = '' } = flow
    return {
      kind: kindOf(flow),
      timeMs: this.#clock.wallMs(),
      source: flow.role === 'server' ? this.#callerOf(flow.fromIdentity) : this.#sourceOf(workload),
      protocol: protocol === ipProtocols.UDP ? 'UDP' : 'TCP',
      verdict,
      destination: this.#destinationOf(flow),
      policies,
      rules: rules.map(({ policy, direction, index }) => `${policy} ${direction}[${index}]`),
      transfer: transferOf(flow),
    }
  }

  #requestOf(record: AccessRecord): RequestRecord {
    const { method, target, status, durationMs, clientWorkload, virtualHost, endpoint } = record
    const workload = this.#listeners.get(placeText(endpoint, ipProtocols.TCP)) ?? ''
    return {
      kind: 'request',
      timeMs: this.#clock.wallMs(),
      source: this.#sourceOf(clientWorkload),
      method,
      target,
      destination: { service: virtualHost.replace(/^Service /, ''), workload, given: endpoint },
      verdict: String(status),
      durationMs,
      sentBytes: record.requestBytes,
      receivedBytes: record.responseBytes,
    }
  }

  #sourceOf(workload: string): FlowSource {
    return { workload, service: this.#services.get(workload) ?? '' }
  }

  /** Whoever calls a workload; of strangers nothing is known but that they are. */
  #callerOf(identity: number): FlowSource {
    if (identity === reservedIdentities.node) return { workload: 'agent', service: '' }
    return { workload: '', service: this.#identities.get(identity)?.name ?? '' }
  }

  #destinationOf({ role, asked, given, service = '', protocol, workload: own = '' }: Flow): FlowDestination {
    if (role === 'server') {
      return { service: this.#services.get(own) ?? '', workload: own, asked: endText(asked), given: endText(given) }
    }
    const workload = this.#listeners.get(placeText(endText(given), protocol)) ?? ''
    return { service, workload, asked: endText(asked), given: endText(given) }
  }
}

/** Undefined for a connection that never was. */
function transferOf({ transfer, protocol }: Flow): TransferRecord | undefined {
  if (transfer === undefined) return undefined
  const { sentBytes, receivedBytes, durationMs, connectMs, roundTripMs } = transfer
  if (protocol === ipProtocols.UDP) return { sentBytes, receivedBytes, durationMs }
  return connectMs === undefined ? undefined : { sentBytes, receivedBytes, durationMs, connectMs, roundTripMs }
}

function kindOf(flow: Flow): ConnectionRecord['kind'] {
  const { kind, verdict } = flow
  if (kind === 'end') return transferOf(flow) === undefined ? 'failed' : 'closed'
  return verdict === 'allowed' ? 'opened' : 'refused'
}

/** For labels: few, whatever programs connect to. */
function nameOf({ service, workload }: { readonly service: string; readonly workload: string }): string {
  if (service !== '') return service
  return workload === '' ? 'elsewhere' : workload
}

/** @param place  as `endText` has it, and ids of endpoints */
function placeText(place: string, protocol: number): string {
  return `${protocol} ${place}`
}

function endText({ address, port }: FlowEnd): string {
  const text = formatIpAddress(unmapIpAddress(address))
  return text.includes(':') ? `[${text}]:${port}` : `${text}:${port}`
}

const typeNames: ReadonlyMap<number, string> = new Map(Object.entries(recordTypes).map(([name, type]) => [type, name]))
const codeNames: ReadonlyMap<number, string> = new Map(
  Object.entries(responseCodes).map(([name, code]) => [code, name]),
)
