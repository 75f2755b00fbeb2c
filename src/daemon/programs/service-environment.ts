import type { ServiceAddress } from '../../model/index.ts'

/**
 * The variables by which a program finds the Services of its namespace, as
 * Kubernetes hands them to containers: `REVIEWS_SERVICE_HOST`,
 * `REVIEWS_SERVICE_PORT` (the first port) and `REVIEWS_SERVICE_PORT_HTTP` for
 * each port with a name.
 *
 * @see https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
export function serviceEnvironment(namespace: string, addresses: readonly ServiceAddress[]): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const { service, address, port, portName, namespace: owner } of addresses) {
    if (owner !== namespace) continue
    const name = variableName(service)
    variables[`${name}_SERVICE_HOST`] ??= address
    variables[`${name}_SERVICE_PORT`] ??= String(port)
    if (portName !== '') variables[`${name}_SERVICE_PORT_${variableName(portName)}`] = String(port)
  }
  return variables
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')
}
