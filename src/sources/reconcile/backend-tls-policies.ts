import type { BackendTls, PeerName } from '../../model/index.ts'
import type { BackendTLSPolicyResource, ConfigMapResource } from '../schema/resource.ts'
import { compareAge } from './age.ts'
import type { AuthorityResolver } from './authorities.ts'
import { fails, holds, type Verdict } from './conditions.ts'
import type { Names } from './facts.ts'
import { didYouMean } from './name-index.ts'
import type { Finding } from './problems.ts'
import { readTlsOptions } from './tls-options.ts'

/** TLS of one Service: by the name of a port, and under `undefined` for all its other ports. */
export type ServiceTls = ReadonlyMap<string | undefined, BackendTls>

export interface TlsPolicyOutcome {
  readonly policy: BackendTLSPolicyResource
  readonly accepted: Verdict
  readonly resolvedRefs: Verdict
  /** `namespace/name` of the Services it names, whether or not it holds there. */
  readonly services: readonly string[]
  readonly findings: readonly Finding[]
}

export interface TlsPolicyTable {
  /** By `namespace/name` of the Service. */
  readonly byService: ReadonlyMap<string, ServiceTls>
  /** By `namespace/name` of the policy. */
  readonly outcomes: ReadonlyMap<string, TlsPolicyOutcome>
}

export interface TlsPolicyInput {
  readonly policies: Iterable<BackendTLSPolicyResource>
  readonly configMaps: ReadonlyMap<string, ConfigMapResource>
  readonly resolver: AuthorityResolver
  /** Names of a Service's ports; undefined when there is no such Service. */
  readonly portNames: (service: string) => readonly string[] | undefined
  readonly serviceNames: Names
}

type Report = (severity: Finding['severity'], path: string, message: string) => void

/**
 * Gives Services their BackendTLSPolicies. Of two for the same target the older
 * wins, the other is Conflicted; one that names a port holds there instead of
 * the one for the whole Service. A policy that can't be used holds its target
 * all the same: connections fail, since what was to be protected must not be
 * sent as plain text.
 */
export function assignTlsPolicies(input: TlsPolicyInput): TlsPolicyTable {
  const byService = new Map<string, Map<string | undefined, BackendTls>>()
  const winners = new Map<string, BackendTLSPolicyResource>()
  const outcomes = new Map<string, TlsPolicyOutcome>()
  for (const policy of [...input.policies].toSorted(compareAge)) {
    const { namespace, name } = policy.metadata
    const findings: Finding[] = []
    const report: Report = (severity, path, message) => {
      findings.push({ resource: policy, severity, path, message })
    }
    const { tls, accepted, resolvedRefs } = judgeValidation(policy, input, report)
    const services: string[] = []
    let refused: Verdict | undefined
    for (const [index, target] of policy.spec.targetRefs.entries()) {
      const path = `spec.targetRefs[${index}]`
      const service = `${namespace}/${target.name}`
      const wrong = findTargetProblem(target, service, input)
      const refuse = (reason: string, message: string): void => {
        report('error', path, message)
        refused ??= fails(reason, message)
      }
      if (target.group === '' && target.kind === 'Service') services.push(service)
      if (wrong !== undefined) {
        refuse('TargetNotFound', wrong)
        continue
      }
      const slot = `${service} ${target.sectionName ?? ''}`
      const winner = winners.get(slot)
      if (winner !== undefined) {
        const { metadata } = winner
        const older = `BackendTLSPolicy ${metadata.namespace}/${metadata.name}`
        refuse('Conflicted', `${older} already holds for Service ${service}`)
        continue
      }
      winners.set(slot, policy)
      const slots = byService.get(service) ?? new Map<string | undefined, BackendTls>()
      slots.set(target.sectionName, tls)
      byService.set(service, slots)
    }
    outcomes.set(`${namespace}/${name}`, { policy, accepted: refused ?? accepted, resolvedRefs, services, findings })
  }
  return { byService, outcomes }
}

function findTargetProblem(
  target: BackendTLSPolicyResource['spec']['targetRefs'][number],
  service: string,
  { portNames, serviceNames }: TlsPolicyInput,
): string | undefined {
  if (target.group !== '' || target.kind !== 'Service') {
    const kind = target.group === '' ? target.kind : `${target.group}/${target.kind}`
    return `a policy is for a Service, not for ${kind}`
  }
  const ports = portNames(service)
  if (ports === undefined) return `no Service ${service}${serviceNames.suggest(service)}`
  const { sectionName } = target
  if (sectionName === undefined || ports.includes(sectionName)) return undefined
  return `Service ${service} has no port named ${sectionName}${didYouMean(sectionName, ports)}`
}

interface Judged {
  readonly tls: BackendTls
  readonly accepted: Verdict
  readonly resolvedRefs: Verdict
}

function judgeValidation(policy: BackendTLSPolicyResource, input: TlsPolicyInput, report: Report): Judged {
  const { validation, options } = policy.spec
  const { namespace, name } = policy.metadata
  const who = `BackendTLSPolicy ${namespace}/${name}`
  if (policy.isStandIn === true) {
    const message = 'it has mistakes and never was right; nothing is sent to its targets'
    return {
      tls: { kind: 'invalid', message: `${who}: ${message}` },
      accepted: fails('Invalid', message),
      resolvedRefs: holds('ResolvedRefs'),
    }
  }
  const read = readTlsOptions(options, 'backend')
  for (const { key, message } of read.warnings) report('warning', `spec.options[${JSON.stringify(key)}]`, message)
  for (const { key, message } of read.errors) report('error', `spec.options[${JSON.stringify(key)}]`, message)
  const authorities = judgeAuthorities(policy, input, report)
  const [wrongOption] = read.errors
  const invalid =
    authorities.accepted ??
    (wrongOption && fails('Invalid', `options ${wrongOption.key} ${wrongOption.message}`)) ??
    authorities.resolvedRefs
  const verdicts = {
    accepted:
      authorities.accepted ??
      (wrongOption === undefined
        ? holds('Accepted')
        : fails('Invalid', `options ${wrongOption.key} ${wrongOption.message}`)),
    resolvedRefs: authorities.resolvedRefs ?? holds('ResolvedRefs'),
  }
  if (invalid !== undefined) return { tls: { kind: 'invalid', message: `${who}: ${invalid.message}` }, ...verdicts }
  const names: readonly PeerName[] = (validation.subjectAltNames ?? []).map(alt =>
    alt.type === 'URI' ? { kind: 'uri', value: alt.uri } : { kind: 'dns', value: alt.hostname },
  )
  const tls: BackendTls = {
    kind: 'valid',
    serverName: validation.hostname,
    names: names.length > 0 ? names : [{ kind: 'dns', value: validation.hostname }],
    authorities: authorities.pem,
    ...read.parameters,
  }
  return { tls, ...verdicts }
}

interface Authorities {
  readonly pem: string | undefined
  readonly accepted: Verdict | undefined
  /** "Connections using an invalid CACertificateRef MUST fail": one wrong reference is enough. */
  readonly resolvedRefs: Verdict | undefined
}

function judgeAuthorities(policy: BackendTLSPolicyResource, input: TlsPolicyInput, report: Report): Authorities {
  const { caCertificateRefs = [], wellKnownCACertificates } = policy.spec.validation
  if (caCertificateRefs.length === 0) {
    if (wellKnownCACertificates === 'System') return { pem: undefined, accepted: undefined, resolvedRefs: undefined }
    const message = `${wellKnownCACertificates} is no known set of authorities, only System`
    report('error', 'spec.validation.wellKnownCACertificates', message)
    return { pem: undefined, accepted: fails('Invalid', message), resolvedRefs: undefined }
  }
  const pems: string[] = []
  let resolvedRefs: Verdict | undefined
  for (const [index, ref] of caCertificateRefs.entries()) {
    const outcome = input.resolver.resolve({ ...ref, namespace: policy.metadata.namespace }, input.configMaps)
    if (outcome.kind === 'valid') {
      pems.push(outcome.pem)
      continue
    }
    report('error', `spec.validation.caCertificateRefs[${index}]`, outcome.message)
    resolvedRefs ??= fails(outcome.kind === 'invalid' ? 'InvalidCACertificateRef' : 'InvalidKind', outcome.message)
  }
  const accepted =
    pems.length === 0 ? fails('NoValidCACertificate', resolvedRefs?.message ?? 'no authority') : undefined
  return { pem: pems.join(''), accepted, resolvedRefs }
}
