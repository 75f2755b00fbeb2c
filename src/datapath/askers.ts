import type { SocketDiag, SocketEnd, TypedMap } from '../kernel/index.ts'
import { ipProtocols } from '../model/index.ts'
import { swapPort } from './address.ts'
import type { FlowEnd } from './flow.ts'
import { verdictOf } from './flow.ts'
import type { Question } from './generated/sockets.ts'

/** A workload that asks for a name. */
export interface Asker {
  /** `namespace/name` */
  readonly workload: string
  /** Whom its program meant to ask. */
  readonly resolver: FlowEnd
  /** Whether policies let it go there. */
  readonly mayAsk: boolean
}

export interface AskersOptions {
  readonly diag: SocketDiag
  /** `hd_questions` */
  readonly questions: Pick<TypedMap<bigint, Question>, 'get'>
  readonly workloadOf: (cgroup: bigint) => string | undefined
}

/**
 * Who asks, by the ends of the socket that a query came from. A socket that asks several resolvers at a time is taken
 * to ask the last one.
 *
 * @param server  where the query came in
 * @returns undefined for somebody who is not of the mesh
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export function findAsker(
  { diag, questions, workloadOf }: AskersOptions,
  transport: 'udp' | 'tcp',
  client: SocketEnd,
  server: SocketEnd,
): Asker | undefined {
  const cookie = diag.find(transport === 'udp' ? ipProtocols.UDP : ipProtocols.TCP, client, server)
  const question = cookie === undefined ? undefined : questions.get(cookie)
  const workload = question === undefined ? undefined : workloadOf(question.cgroup)
  if (question === undefined || workload === undefined) return undefined
  const { asked, verdict } = question
  const resolver = { address: asked.address.bytes, port: swapPort(asked.portBe) }
  return { workload, resolver, mayAsk: verdictOf(verdict) === 'allowed' }
}
