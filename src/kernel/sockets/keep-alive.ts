import { ipprotoTcp, soKeepalive, solSocket, tcpKeepcnt, tcpKeepidle, tcpKeepintvl } from './calls.ts'

export type SetOption = (level: number, option: number, value: number) => void

/** Seconds until a silent peer is asked, seconds until it is asked again, and how often: it is given up after two minutes. */
const keepAlive = { idle: 60, interval: 20, probes: 3 }

/** A stream may be silent for hours, but a peer whose machine is gone must not be waited for (tcp(7)). */
export function askSilentPeer(set: SetOption): void {
  set(solSocket, soKeepalive, 1)
  set(ipprotoTcp, tcpKeepidle, keepAlive.idle)
  set(ipprotoTcp, tcpKeepintvl, keepAlive.interval)
  set(ipprotoTcp, tcpKeepcnt, keepAlive.probes)
}
