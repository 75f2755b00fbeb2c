import type { MeshSnapshot, Workload } from '../model/index.ts'

const masked = '(masked)'

/** The snapshot as JSON for people, with every private key masked. */
export function maskedSnapshot(snapshot: MeshSnapshot): unknown {
  return {
    version: snapshot.version,
    listeners: [...snapshot.listeners.values()].map(listener => ({
      ...listener,
      virtualHosts: listener.virtualHosts.map(host => ({
        ...host,
        certificates: host.certificates.map(certificate => ({ ...certificate, key: masked })),
        clientCertificate: host.clientCertificate && { ...host.clientCertificate, key: masked },
      })),
    })),
    routes: [...snapshot.routes.values()],
    streamRoutes: [...snapshot.streamRoutes.values()],
    backends: [...snapshot.backends.values()],
  }
}

/** A program's variables often hold passwords: their names are shown, their values are not. */
export function maskedWorkload(workload: Workload): unknown {
  if (workload.process === undefined) return workload
  const env = Object.fromEntries(Object.keys(workload.process.env).map(name => [name, masked]))
  return { ...workload, process: { ...workload.process, env } }
}
