import { readlinkSync, statSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Logger } from '../core/index.ts'
import { descriptorOf } from './kernel-path/given-socket.ts'
import { readPeerCredentials } from '../kernel/index.ts'
import type { PeerCredentials } from '../kernel/index.ts'
import type { RunRequest } from './workload-leases.ts'

/** What decides whether a process is whose whoever registers a workload says. */
export interface ClaimFacts {
  /** Who opened the connection; undefined when the kernel can't be asked. */
  readonly peer: PeerCredentials | undefined
  /** The agent's user, who alone may open its socket (beside root). */
  readonly agentUid: number
  /** @returns user of a process; undefined when there is none, or it can't be seen */
  readonly ownerOf: (pid: number) => number | undefined
  /** Whether the peer's numbers of processes are also the agent's. */
  readonly isSameNamespace: (pid: number) => boolean
}

/**
 * Whether calls of a process count as those of the workload that is registered.
 * Whoever registers it may speak for itself and for other processes of its user,
 * never for those of other users. Where the kernel can't be asked who it is, it
 * is taken for the agent's own user, as nobody but root is let in beside that one.
 */
export function mayClaim(pid: number, { peer, agentUid, ownerOf, isSameNamespace }: ClaimFacts): boolean {
  if (peer === undefined) return ownerOf(pid) === agentUid
  if (peer.pid === pid) return true
  // A number from another PID namespace is somebody else's here.
  return peer.pid > 0 && isSameNamespace(peer.pid) && ownerOf(pid) === peer.uid
}

/** Leaves out the process of a registration that may not claim it: the workload serves, and is unknown as a caller. */
export function withBelievedProcess(request: RunRequest, facts: ClaimFacts, logger: Logger): RunRequest {
  const { namespace, name, pid } = request
  if (pid === undefined || mayClaim(pid, facts)) return request
  logger.warn('a workload is unknown as a caller: its process is not of the user that registers it', {
    workload: `${namespace}/${name}`,
    pid,
  })
  return { ...request, pid: undefined }
}

/** Of a connection of the agent's socket. */
export function claimFacts(socket: Socket): ClaimFacts {
  const fd = descriptorOf(socket)
  return {
    peer: fd === undefined ? undefined : readPeerCredentials(fd),
    agentUid: process.getuid?.() ?? -1,
    ownerOf,
    isSameNamespace: pid => {
      const own = namespaceOf('self')
      return own !== undefined && namespaceOf(pid) === own
    },
  }
}

function ownerOf(pid: number): number | undefined {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid
}

function namespaceOf(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    return undefined
  }
}
