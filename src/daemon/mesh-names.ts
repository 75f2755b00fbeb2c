import { MeshError } from '../core/index.ts'
import type { Clock, Meter } from '../core/index.ts'
import { NamesServer, SystemResolvers } from '../names/index.ts'
import type { NamesServerOptions } from '../names/index.ts'
import { settingDefinitions, thisMachine } from './settings.ts'
import type { Settings } from './settings.ts'

/** Where names are answered unless something else is there already. */
const usualPort = 15_053

export interface MeshNamesOptions {
  readonly settings: Settings
  readonly clock: Clock
  readonly meter: Meter
  /** Who asks, in a tier that leads queries here. @default it does not, and nobody is known */
  readonly askerOf?: NamesServerOptions['askerOf']
  /** Holds the sockets beyond the agent's end. @default they end with it */
  readonly kept?: NamesServerOptions['kept']
  /** Told of every name. @default nobody */
  readonly onResolved?: NamesServerOptions['onResolved']
}

/**
 * The server of names, where the settings want it; the caller owns it.
 *
 * @returns undefined when it is switched off
 * @throws MeshError MESH_DNS_PORT when the address that was asked for cannot be listened on
 */
export async function openMeshNames(wanted: MeshNamesOptions): Promise<NamesServer | undefined> {
  const { settings, clock, meter, askerOf, onResolved, kept } = wanted
  const { dnsAddress, dnsUpstream, serviceCidr } = settings
  if (dnsAddress === 'off') return undefined
  const system = typeof dnsUpstream === 'string' ? new SystemResolvers(dnsUpstream, clock) : undefined
  const listed = typeof dnsUpstream === 'string' ? [] : dnsUpstream.map(({ host, port }) => ({ address: host, port }))
  const servers: NamesServerOptions['servers'] = () => system?.servers ?? listed
  const options = {
    clock,
    meter,
    serviceCidr,
    servers,
    ...(askerOf === undefined ? {} : { askerOf: withResolver(askerOf, settings), isLedTo: true }),
    ...(onResolved === undefined ? {} : { onResolved }),
    ...(kept === undefined ? {} : { kept }),
  }
  if (dnsAddress !== 'auto') {
    return NamesServer.open({ ...options, address: { address: dnsAddress.host, port: dnsAddress.port } })
  }
  try {
    return await NamesServer.open({ ...options, address: { address: '127.0.0.1', port: usualPort } })
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    return NamesServer.open({ ...options, address: { address: '127.0.0.1', port: 0 } })
  }
}

/** Whom a program means to ask is asked, unless the operator has said who is. */
function withResolver(
  askerOf: NonNullable<NamesServerOptions['askerOf']>,
  { dnsUpstream }: Settings,
): NonNullable<NamesServerOptions['askerOf']> {
  const usualUpstream = settingDefinitions.dnsUpstream.default(thisMachine({}))
  if (dnsUpstream === usualUpstream) return askerOf
  return client => {
    const asker = askerOf(client)
    return asker === undefined ? undefined : { ...asker, resolver: undefined }
  }
}
