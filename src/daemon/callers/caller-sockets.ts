import type { ConnectionEnds } from '../../proxy/index.ts'
import type { Breath } from './breath.ts'
import type { ProcFiles } from './proc-files.ts'
import { endTexts, pairLengths, readRows } from './socket-rows.ts'
import type { RowSearch } from './socket-rows.ts'

/** What the tables say of one connection; 0 for a row that was not there. */
interface Sockets {
  client: number
  server: number
}

/** A row that is looked for. */
interface WantedRow {
  readonly sockets: Sockets
  readonly side: keyof Sockets
}

/**
 * Finds the inodes of the clients' sockets in the tables of TCP sockets of this
 * network namespace (`/proc/net/tcp` and `tcp6`, see proc_pid_net(5)). IPv4
 * clients with IPv6 sockets, as Java's are, stand in `tcp6` as `::ffff:…`.
 *
 * Ports are used again, so a row counts only as one end of a connection whose
 * both ends are there, each with the other as its remote one, and each with an
 * inode, which the kernel takes away as soon as the process has closed its end.
 * Of two questions about the same ends the first is about a connection that is
 * over.
 *
 * @returns for each connection the inode, undefined for a client that is gone or lives elsewhere
 */
export async function findClientInodes(
  connections: readonly ConnectionEnds[],
  files: ProcFiles,
  breath: Breath,
): Promise<readonly (number | undefined)[]> {
  const wanted = new Map<string, WantedRow>()
  const found = connections.map(ends => {
    const sockets: Sockets = { client: 0, server: 0 }
    const client = endTexts(ends.remoteAddress, ends.remotePort)
    const server = endTexts(ends.localAddress, ends.localPort)
    for (const [at, end] of client.entries()) {
      wanted.set(`${end} ${server[at]}`, { sockets, side: 'client' })
      wanted.set(`${server[at]} ${end}`, { sockets, side: 'server' })
    }
    return sockets
  })
  const missing = new Set([...wanted.values()].map(({ sockets }) => sockets))
  const search: RowSearch<WantedRow> = {
    wanted,
    found({ sockets, side }, inode) {
      sockets[side] = inode
      if (sockets.client !== 0 && sockets.server !== 0) missing.delete(sockets)
      return missing.size === 0
    },
  }
  const isOver = await readRows(files, { path: '/net/tcp', pairLength: pairLengths.ipv4 }, search, breath)
  if (!isOver) await readRows(files, { path: '/net/tcp6', pairLength: pairLengths.ipv6 }, search, breath)
  return found.map(({ client, server }) => (client !== 0 && server !== 0 ? client : undefined))
}
