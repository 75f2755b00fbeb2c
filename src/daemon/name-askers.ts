import { formatIpAddress, parseIpAddress, unmapIpAddress } from '../codec/index.ts'
import type { Datapath, DatapathState } from '../datapath/index.ts'
import type { SocketDiag } from '../kernel/index.ts'
import type { NameAsker, NamesClient, NamesServer } from '../names/index.ts'

/** Somebody of the mesh whose socket is gone already, or was never told of: others are not led to where they ask. */
const unknownMember: NameAsker = { workload: '', namespace: 'default', mayForward: false }

/**
 * Who asks for a name, as the kernel tier knows them. Whoever is led to the agent and cannot be told is answered names
 * of the mesh and nothing else: a policy may close the way elsewhere.
 *
 * @param diag  of the network namespace in which it was asked; undefined for our own
 * @returns undefined for somebody who is not of the mesh
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export function nameAsker(
  datapath: Pick<Datapath, 'askerOf'> | undefined,
  client: NamesClient,
  diag?: SocketDiag,
): NameAsker | undefined {
  if (!client.isLed) return undefined
  if (client.network !== undefined && diag === undefined) return unknownMember
  const ends = [client, client.server].flatMap(({ address, port }) => {
    const bytes = parseIpAddress(address)
    return bytes === undefined ? [] : [{ address: bytes, port }]
  })
  const [from, to] = ends
  const asker = from === undefined || to === undefined ? undefined : datapath?.askerOf(client.transport, from, to, diag)
  if (asker === undefined) return unknownMember
  const { workload, resolver, mayAsk } = asker
  const address = formatIpAddress(unmapIpAddress(resolver.address))
  return {
    workload,
    namespace: workload.slice(0, workload.indexOf('/')),
    resolver: isElsewhere(address, client) ? undefined : { address, port: resolver.port },
    mayForward: mayAsk,
  }
}

/** One of a link leads nowhere without the link's name, which the call did not tell, and one of another loopback to others. */
function isElsewhere(address: string, { network }: NamesClient): boolean {
  if (/^fe[89ab]/.test(address)) return true
  return network !== undefined && (address.startsWith('127.') || address === '::1')
}

/**
 * What the kernel tier has to know of the sockets that names are answered on.
 * @param names  undefined where they are not answered
 */
export function nameSockets(
  names: Pick<NamesServer, 'address' | 'led'> | undefined,
): Pick<DatapathState, 'nodeSockets' | 'names'> {
  const led = names?.led ?? []
  const all = names === undefined ? [] : [names.address, ...led]
  return {
    nodeSockets: all.flatMap(each => (['TCP', 'UDP'] as const).map(protocol => ({ ...each, protocol }))),
    names: { open: names?.address, led },
  }
}
