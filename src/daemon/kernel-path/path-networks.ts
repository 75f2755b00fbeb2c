import { parseIpAddress, unmapIpAddress } from '../../codec/index.ts'
import type { Endpoint, NetworkMember } from '../../model/index.ts'
import { ownAddresses } from './own-addresses.ts'

/** A network namespace in which programs take the path. */
export interface PathNetwork {
  /** By which the kernel knows it; never used for another one. */
  readonly cookie: bigint
  /** Which listener the workers have there, by the id of the one in our own that it stands for. */
  readonly listenerOf: (id: string) => string | undefined
  /** `namespace/name` of those that run there. */
  readonly workloads: ReadonlySet<string>
  /** Calls `act` in there, which has to be done when it returns. @returns undefined when nothing is there any more */
  readonly within: <T>(act: () => T) => T | undefined
}

/**
 * In which network namespace endpoints are. An address of this node is our own's, as the proxy would have it; another one is
 * where the members run that are known by it. Where these are in several, as containers may have equal addresses, nobody
 * can say which of them the proxy would reach.
 *
 * @returns undefined for an endpoint that is in none of them, or in several
 */
export function networksOfEndpoints(
  home: PathNetwork,
  abroad: readonly PathNetwork[],
  members: readonly NetworkMember[],
): (endpoint: Pick<Endpoint, 'address'>) => PathNetwork | undefined {
  const isOurs = ownAddresses()
  const byAddress = new Map<string, Set<PathNetwork>>()
  for (const { key, address } of abroad.length === 0 ? [] : members) {
    const text = Buffer.from(unmapIpAddress(address)).toString('hex')
    for (const network of abroad) {
      if (network.workloads.has(key)) byAddress.set(text, (byAddress.get(text) ?? new Set()).add(network))
    }
  }
  return ({ address }) => {
    if (isOurs(address)) return home
    const bytes = byAddress.size === 0 ? undefined : parseIpAddress(address)
    if (bytes === undefined) return undefined
    const found = byAddress.get(Buffer.from(unmapIpAddress(bytes)).toString('hex'))
    return found?.size === 1 ? [...found][0] : undefined
  }
}
