import type { ClientValidation, HostTls } from '../../model/index.ts'
import type { AnyResource, ConfigMapResource, GatewayListener, GatewayResource } from '../schema/resource.ts'
import type { AuthorityResolver } from './authorities.ts'
import type { SecretTables } from './certificates.ts'
import { fails, type Verdict } from './conditions.ts'
import { isGranted } from './facts.ts'
import type { Finding } from './problems.ts'
import { readTlsOptions, type OptionProblem } from './tls-options.ts'

export interface FrontendTls {
  readonly tls: HostTls
  /** Why the listener can't be served as it was asked for. */
  readonly accepted: Verdict | undefined
  readonly resolvedRefs: Verdict | undefined
}

/** Whose listener it is: a Gateway's own, or one of a ListenerSet that adds to it. */
interface Owner {
  readonly resource: AnyResource
  readonly gateway: GatewayResource
  readonly findings: Finding[]
  readonly gatewayFindings: Finding[]
}

export interface FrontendTables extends SecretTables {
  readonly configMaps: ReadonlyMap<string, ConfigMapResource>
  readonly authorities: AuthorityResolver
}

/**
 * What one listener that terminates TLS asks of its clients: the versions,
 * ciphers and protocols (ALPN) of its own `tls.options` and, for HTTPS, the client certificates of
 * the Gateway's `spec.tls.frontend` for its port. What can't be done takes the
 * listener off: served without, it would admit whom the Gateway wants kept out.
 */
export function judgeFrontendTls(
  { resource, gateway, findings, gatewayFindings }: Owner,
  listener: GatewayListener,
  path: string,
  tables: FrontendTables,
): FrontendTls {
  const use = listener.protocol === 'HTTPS' ? 'https' : 'stream'
  const { parameters, alpn, errors, warnings } = readTlsOptions(listener.tls?.options, use)
  const tell = (severity: Finding['severity'], { key, message }: OptionProblem): void => {
    findings.push({ resource, severity, path: `${path}.tls.options[${JSON.stringify(key)}]`, message })
  }
  for (const problem of warnings) tell('warning', problem)
  for (const problem of errors) tell('error', problem)
  const [firstError] = errors
  const wrongOption = firstError && fails('UnsupportedValue', `tls.options ${firstError.key} ${firstError.message}`)
  const clients =
    listener.protocol === 'HTTPS' ? judgeClients(gateway, listener.port, tables, gatewayFindings) : noValidation
  return {
    tls: { ...parameters, alpn, clients: clients.validation },
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
  port: number,
  tables: FrontendTables,
  findings: Finding[],
): ClientsOutcome {
  const frontend = gateway.spec.tls?.frontend
  if (frontend === undefined) return noValidation
  const at = frontend.perPort?.findIndex(entry => entry.port === port) ?? -1
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
      reportOnce(findings, {
        resource: gateway,
        severity: 'error',
        path: `${path}.caCertificateRefs[${index}]`,
        message,
      })
      resolvedRefs ??= fails(reason, message)
    }
    if (from !== namespace && !isPermitted(namespace, from, ref, tables)) {
      const message = `${ref.kind} ${from}/${ref.name} is in another namespace, and no ReferenceGrant there admits it`
      refuse('RefNotPermitted', message)
      continue
    }
    const outcome = tables.authorities.resolve({ ...ref, namespace: from }, tables.configMaps)
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

/** Several listeners of a Gateway share what is asked of clients. */
function reportOnce(findings: Finding[], finding: Finding): void {
  const isTold = findings.some(({ path, message }) => path === finding.path && message === finding.message)
  if (!isTold) findings.push(finding)
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
