import { parseIpAddress, unmapIpAddress } from '../../codec/index.ts'
import { ipProtocols } from '../../model/index.ts'
import type { Caller, NetworkAccess } from '../../model/index.ts'
import { NetworkJudge } from '../../policy/index.ts'
import type { NetworkParty } from '../../policy/index.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'

/** A connection has so many endpoints at most whose verdicts it remembers. */
const mostVerdicts = 1_024

/** Somebody of the mesh, and nobody knows who: policies refuse him everything. */
export const unknownMember: Caller = { namespace: '', service: '', workload: '' }

/**
 * Whoever was not noted when he asked for his connection, or whom others have pushed out of the kernel's map since, which
 * many connections at a time can do on purpose. He may be of the mesh: where there are policies, they refuse him.
 */
export const forgottenCaller: Caller = { namespace: '', service: '', workload: '' }

/** What policies said of a client's connection; it keeps one for as long as it lives. */
export class ClientAccess {
  readonly caller: Caller | undefined
  readonly address: string
  /** By which the verdicts were made. */
  judge: NetworkJudge | undefined = undefined
  party: NetworkParty | undefined = undefined
  /** By endpoint, why it is refused; '' where it is not. */
  readonly verdicts: Map<EndpointState, string> = new Map<EndpointState, string>()

  /** @param address  that the connection comes from; any text for none */
  constructor(caller: Caller | undefined, address: string) {
    this.caller = caller
    this.address = address
  }
}

/**
 * NetworkPolicies on what the proxy forwards: the egress of who calls and the ingress of who is at the endpoint, at its
 * own address and port, by the tables that the kernel's programs have. It is the proxy's that somebody comes to by a
 * virtual address, and nobody else could tell afterwards who it was.
 *
 * Closed until the first tables are there. A caller that is of the mesh, and that the tables don't know, is refused.
 */
export class AccessGate {
  #judge: NetworkJudge | undefined = undefined
  #access: NetworkAccess | undefined = undefined

  /** @returns whether connections that are open have to be looked at again */
  take(access: NetworkAccess | undefined): boolean {
    if (access === this.#access) return false
    this.#access = access
    this.#judge = access === undefined ? undefined : new NetworkJudge(access.compiled, access.members)
    return true
  }

  /** Whose processes a cgroup has; undefined for one that nobody knows (yet). */
  callerOf(cgroup: bigint): Caller | undefined {
    return this.#access?.callers.get(cgroup)
  }

  /** @returns why the client may not go to that endpoint; '' when it may */
  refusal(client: ClientAccess, endpoint: EndpointState, protocol: 'TCP' | 'UDP' = 'TCP'): string {
    const judge = this.#judge
    if (judge === undefined) return 'there are no policies yet to judge by'
    if (client.judge !== judge) this.#begin(client, judge)
    const known = client.verdicts.get(endpoint)
    if (known !== undefined) return known
    const refusal = decide(judge, client, endpoint, protocol)
    if (client.verdicts.size >= mostVerdicts) client.verdicts.clear()
    client.verdicts.set(endpoint, refusal)
    return refusal
  }

  #begin(client: ClientAccess, judge: NetworkJudge): void {
    const address = addressOf(client.address)
    client.judge = judge
    client.verdicts.clear()
    const isStranger = client.caller === undefined || (client.caller === forgottenCaller && judge.isOpen)
    client.party = isStranger ? judge.stranger(address) : judge.member(client.caller?.workload ?? '', address)
  }
}

function decide(
  judge: NetworkJudge,
  { party }: ClientAccess,
  { endpoint }: EndpointState,
  protocol: 'TCP' | 'UDP',
): string {
  if (party === undefined) return 'the caller is of the mesh, and nobody knows who'
  const address = addressOf(endpoint.address)
  if (address === undefined) return `the endpoint has no address: ${endpoint.address}`
  const verdict = judge.judge(party, { address, port: endpoint.port, protocol: ipProtocols[protocol] })
  if (verdict.egress.kind === 'denied') return `egress denied by ${verdict.egress.policies.join(', ')}`
  if (verdict.ingress.kind === 'denied') return `ingress denied by ${verdict.ingress.policies.join(', ')}`
  return ''
}

function addressOf(text: string): Uint8Array | undefined {
  const bytes = parseIpAddress(text)
  return bytes === undefined ? undefined : unmapIpAddress(bytes)
}
