import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { GatewaySpec } from '../schema/resource.ts'
import { fails, type Verdict } from './conditions.ts'

export interface AddressOutcome {
  /** Where the Gateway listens. */
  readonly usable: readonly string[]
  /** Why the Gateway is not accepted; an address type that is not known must not be read as something else. */
  readonly refused: Verdict | undefined
  /** Why it is not wholly programmed: an address that is not one of this machine. */
  readonly unusable: Verdict | undefined
  /** Index in `spec.addresses` of what is wrong. */
  readonly at: number
}

/**
 * Where a Gateway listens: what `spec.addresses` asks for, or `bindAddress`. An
 * entry without a value asks for any address, which is `bindAddress` too.
 */
export function judgeAddresses(
  addresses: GatewaySpec['addresses'],
  bindAddress: string,
  isLocal: (address: string) => boolean,
): AddressOutcome {
  if (addresses === undefined || addresses.length === 0) {
    return { usable: [bindAddress], refused: undefined, unusable: undefined, at: 0 }
  }
  const usable = new Set<string>()
  let unusable: Verdict | undefined
  let at = 0
  for (const [index, { type, value }] of addresses.entries()) {
    if (type !== 'IPAddress' && type !== 'Hostname') {
      const message = `addresses of type ${type} are not supported; write IPAddress`
      return { usable: [], refused: fails('UnsupportedAddress', message), unusable: undefined, at: index }
    }
    const address = value === undefined || value === '' ? bindAddress : resolveAddress(type, value)
    if (address !== undefined && (address === bindAddress || isLocal(address))) {
      usable.add(address)
      continue
    }
    if (unusable === undefined) at = index
    unusable ??= fails('AddressNotUsable', `${value} is not an address of this machine`)
  }
  return { usable: [...usable], refused: undefined, unusable, at }
}

/** Of hostnames only `localhost` is known without asking anyone. */
function resolveAddress(type: 'IPAddress' | 'Hostname', value: string): string | undefined {
  if (type === 'Hostname') return value.toLowerCase() === 'localhost' ? '127.0.0.1' : undefined
  return isIP(value) === 0 ? undefined : value
}

/** Loopback, the wildcards, and the addresses the machine's interfaces have now. */
export function isMachineAddress(address: string): boolean {
  if (address.startsWith('127.') || address === '::1' || address === '0.0.0.0' || address === '::') return true
  return Object.values(networkInterfaces()).some(list => list?.some(entry => entry.address === address) ?? false)
}
