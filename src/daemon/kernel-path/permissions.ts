import { parseIpAddress, unmapIpAddress } from '../../codec/index.ts'
import type { CompiledRule, KernelPermission } from '../../kernel-http/index.ts'
import { ipProtocols } from '../../model/index.ts'
import type { Endpoint, NetworkAccess } from '../../model/index.ts'
import { NetworkJudge } from '../../policy/index.ts'
import type { NetworkParty } from '../../policy/index.ts'

/**
 * Who may use which rule in the kernel: whoever may go to every endpoint that the rule leads to. All others are judged, and
 * refused, by the proxy.
 *
 * @returns undefined when no policy selects anybody: then everybody may
 */
export function permissionsFor(
  rules: readonly CompiledRule[],
  access: NetworkAccess | undefined,
): readonly KernelPermission[] | undefined {
  if (access === undefined) return []
  if (access.compiled.subjects.size === 0) return undefined
  const judge = new NetworkJudge(access.compiled, access.members)
  const addresses = new Map(access.members.map(({ key, address }) => [key, address]))
  const permissions: KernelPermission[] = []
  for (const [caller, { workload }] of access.callers) {
    const party = judge.member(workload, addresses.get(workload))
    if (party === undefined) continue
    const verdicts = new Map<string, boolean>()
    const may = (endpoint: Endpoint): boolean => {
      const known = verdicts.get(endpoint.id) ?? isAllowed(judge, party, endpoint)
      verdicts.set(endpoint.id, known)
      return known
    }
    for (const { number, verdict } of rules) {
      if (number === undefined || verdict.kind !== 'kernel') continue
      if (verdict.targets.every(({ endpoint }) => may(endpoint))) permissions.push({ caller, number })
    }
  }
  return permissions
}

function isAllowed(judge: NetworkJudge, party: NetworkParty, endpoint: Endpoint): boolean {
  const bytes = parseIpAddress(endpoint.address)
  if (bytes === undefined) return false
  const address = unmapIpAddress(bytes)
  const { egress, ingress } = judge.judge(party, { address, port: endpoint.port, protocol: ipProtocols.TCP })
  return egress.kind !== 'denied' && ingress.kind !== 'denied'
}
