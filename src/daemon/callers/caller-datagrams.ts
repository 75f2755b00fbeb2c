import type { ConnectionEnds } from '../../proxy/index.ts'
import type { Breath } from './breath.ts'
import type { ProcFiles } from './proc-files.ts'
import { endTexts, pairLengths, readRows } from './socket-rows.ts'
import type { RowSearch } from './socket-rows.ts'

/** As the tables write an end that is any, or none: of a socket without an address, or that is not connected. */
const anyAddress = { ipv4: '0'.repeat(8), ipv6: '0'.repeat(32) }

/**
 * Finds the inodes of the sockets that datagrams come from (`/proc/net/udp` and
 * `udp6`, see proc_pid_net(5)): the one with the client's address and port, or
 * with its port and no address, that is connected to where the datagrams go, or
 * to nobody. Of several that fit nobody can tell which one has sent.
 *
 * @returns for each client the inode, undefined for one that is gone, lives elsewhere, or can't be told
 */
export async function findDatagramInodes(
  clients: readonly ConnectionEnds[],
  files: ProcFiles,
  breath: Breath,
): Promise<readonly (number | undefined)[]> {
  const wanted = new Map<string, Set<number>>()
  const found = clients.map(ends => {
    const local = withAny(endTexts(ends.remoteAddress, ends.remotePort), ends.remotePort)
    const remote = withAny(endTexts(ends.localAddress, ends.localPort), 0)
    const pairs = local.flatMap(from => remote.map(to => `${from} ${to}`))
    // Two questions about one client have one answer.
    const inodes = pairs.map(pair => wanted.get(pair)).find(known => known !== undefined) ?? new Set<number>()
    for (const pair of pairs) wanted.set(pair, inodes)
    return inodes
  })
  const search: RowSearch<Set<number>> = {
    wanted,
    found(inodes, inode) {
      inodes.add(inode)
      return false
    },
  }
  await readRows(files, { path: '/net/udp', pairLength: pairLengths.ipv4 }, search, breath)
  await readRows(files, { path: '/net/udp6', pairLength: pairLengths.ipv6 }, search, breath)
  return found.map(inodes => {
    const [inode = 0] = inodes
    return inodes.size === 1 && inode !== 0 ? inode : undefined
  })
}

function withAny(ends: readonly string[], port: number): readonly string[] {
  const portText = port.toString(16).toUpperCase().padStart(4, '0')
  return [...ends, `${anyAddress.ipv4}:${portText}`, `${anyAddress.ipv6}:${portText}`]
}
