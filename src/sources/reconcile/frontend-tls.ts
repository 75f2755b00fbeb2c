import type { ClientValidation, HostTls } from '../../model/index.ts'
import type { ConfigMapResource, GatewayListener, GatewayResource } from '../schema/resource.ts'
import type { AuthorityResolver } from './authorities.ts'
import type { SecretTables } from './certificates.ts'
import { fails, type Verdict } from './conditions.ts'
import { isGranted } from './facts.ts'
import type { Finding } from './problems.ts'
import { readTlsOptions } from './tls-options.ts'

export interface FrontendTls {
  readonly tls: HostTls
  /** Why the listener can't be served as it was asked for. */
  readonly accepted: Verdict | undefined
  readonly resolvedRefs: Verdict | undefined
}

export interface FrontendTables extends SecretTables {
  readonly configMaps: ReadonlyMap<string, ConfigMapResource>
}

/**
 * What one HTTPS listener asks of its clients: the versions and ciphers of its
 * own `tls.options`, and the client certificates of the Gateway's
 * `spec.tls.frontend` for its port. What can't be done takes the listener off:
 * served without, it would admit whom the Gateway wants kept out.
 */
export function judgeFrontendTls(
  gateway: GatewayResource,
  index: number,
  resolver: AuthorityResolver,
  tables: FrontendTables,
  findings: Finding[],
): FrontendTls {
  const listener = gateway.spec.listeners[index]
  const report = (severity: Finding['severity'], path: string, message: string): void => {
    findings.push({ resource: gateway, severity, path, message })
  }
  const { parameters, errors, warnings } = readTlsOptions(listener?.tls?.options)
  const pathOf = (key: string): string => `spec.listeners[${index}].tls.options[${JSON.stringify(key)}]`
  for (const { key, message } of warnings) report('warning', pathOf(key), message)
  for (const { key, message } of errors) report('error', pathOf(key), message)
  const [firstError] = errors
  const wrongOption = firstError && fails('UnsupportedValue', `tls.options ${firstError.key} ${firstError.message}`)
  const clients = judgeClients(gateway, listener, resolver, tables, report)
  return {
    tls: { ...parameters, clients: clients.validation },
    accepted: wrongOption ?? clients.accepted,
    resolvedRefs: clients.resolvedRefs,
  }
}

interface ClientsOutcome {
  readonly validation: ClientValidation | undefined
  readonly accepted: Verdict | undefined
  readonly resolvedRefs: Verdict | undefined
}

const noValidation: ClientsOutcome = { validation: undefined, accepted: undefined, resolvedRefs: undefined }

function judgeClients(
  gateway: GatewayResource,
  listener: GatewayListener | undefined,
  resolver: AuthorityResolver,
  tables: FrontendTables,
  report: (severity: Finding['severity'], path: string, message: string) => void,
): ClientsOutcome {
  const frontend = gateway.spec.tls?.frontend
  if (frontend === undefined || listener === undefined) return noValidation
  const at = frontend.perPort?.findIndex(entry => entry.port === listener.port) ?? -1
  const asked = at < 0 ? frontend.default : frontend.perPort?.[at]?.tls
  const path = `spec.tls.frontend.${at < 0 ? 'default' : `perPort[${at}].tls`}.validation`
  const validation = asked?.validation
  if (validation === undefined) return noValidation
  const { namespace } = gateway.metadata
  const pems: string[] = []
  let resolvedRefs: Verdict | undefined
  for (const [index, ref] of validation.caCertificateRefs.entries()) {
    const from = ref.namespace ?? namespace
    const refuse = (reason: string, message: string): void => {
      report('error', `${path}.caCertificateRefs[${index}]`, message)
      resolvedRefs ??= fails(reason, message)
    }
    if (from !== namespace && !isPermitted(namespace, from, ref, tables)) {
      const message = `${ref.kind} ${from}/${ref.name} is in another namespace, and no ReferenceGrant there admits it`
      refuse('RefNotPermitted', message)
      continue
    }
    const outcome = resolver.resolve({ ...ref, namespace: from }, tables.configMaps)
    if (outcome.kind === 'valid') pems.push(outcome.pem)
    else refuse(outcome.kind === 'invalid' ? 'InvalidCACertificateRef' : 'InvalidCACertificateKind', outcome.message)
  }
  if (pems.length === 0) {
    const message = `no client could be checked: ${resolvedRefs?.message ?? ''}`
    return { validation: undefined, accepted: fails('NoValidCACertificate', message), resolvedRefs }
  }
  const mode = validation.mode === 'AllowInsecureFallback' ? 'fallback' : 'require'
  return { validation: { authorities: pems.join(''), mode }, accepted: undefined, resolvedRefs }
}

function isPermitted(
  namespace: string,
  target: string,
  ref: { readonly group: string; readonly kind: string; readonly name: string },
  tables: FrontendTables,
): boolean {
  return isGranted(
    tables.grants.get(target) ?? [],
    { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace },
    { group: ref.group, kind: ref.kind, namespace: target, name: ref.name },
  )
}

/** Whether some port of the Gateway admits clients without a valid certificate although it asks for one. */
export function hasInsecureFallback({ spec }: GatewayResource): boolean {
  const frontend = spec.tls?.frontend
  if (frontend === undefined) return false
  return [frontend.default, ...(frontend.perPort ?? []).map(entry => entry.tls)].some(
    ({ validation }) => validation?.mode === 'AllowInsecureFallback',
  )
}
