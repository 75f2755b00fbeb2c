import { networkInterfaces } from 'node:os'

/**
 * Which addresses are this node's, as they are now: only what listens here can be a member of its mesh, and only what
 * is a member is reached in the kernel.
 */
export function ownAddresses(): (address: string) => boolean {
  const own = new Set(Object.values(networkInterfaces()).flatMap(list => (list ?? []).map(entry => entry.address)))
  return address => address.startsWith('127.') || own.has(address)
}
