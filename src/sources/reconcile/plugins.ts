import { dirname, resolve } from 'node:path'
import type { Plugin, PluginKey, PluginSource } from '../../model/index.ts'
import type {
  ConfigMapResource,
  EnvoyExtensionPolicyResource,
  EnvoyWasm,
  IstioWasm,
  PluginResource,
  SecretResource,
  TrafficExtensionResource,
  WasmPluginResource,
} from '../schema/resource.ts'
import type { AuthorityResolver } from './authorities.ts'
import { didYouMean } from './name-index.ts'
import type { Finding } from './problems.ts'

export type IstioPlugin = WasmPluginResource | TrafficExtensionResource

/** What plugins refer to. */
export interface PluginReferents {
  readonly secrets: ReadonlyMap<string, SecretResource>
  readonly configMaps: ReadonlyMap<string, ConfigMapResource>
  readonly authorities: AuthorityResolver
  /** The agent's own environment, of which plugins see what they name. */
  readonly hostEnvironment: Readonly<Record<string, string | undefined>>
}

type Report = (severity: Finding['severity'], path: string, message: string) => void

const standInProblem = 'the resource has mistakes and never was right'

export function wasmOf(resource: IstioPlugin): IstioWasm {
  return resource.kind === 'WasmPlugin' ? resource.spec : resource.spec.wasm
}

export function istioPluginKey({ kind, metadata }: IstioPlugin): PluginKey {
  return `${kind} ${metadata.namespace}/${metadata.name}`
}

/** Named as Istio names it. Plugins of one empty `vmId` share their data, as they do there. */
export function istioPlugin(resource: IstioPlugin, referents: PluginReferents, report: Report): Plugin {
  const { namespace, name } = resource.metadata
  const wasm = wasmOf(resource)
  const at = resource.kind === 'WasmPlugin' ? 'spec' : 'spec.wasm'
  const environment: Record<string, string> = {}
  for (const [index, variable] of (wasm.vmConfig?.env ?? []).entries()) {
    const path = `${at}.vmConfig.env[${index}]`
    const value = variable.valueFrom === 'HOST' ? hostVariable(variable.name, path, referents, report) : variable.value
    if (value !== undefined) environment[variable.name] = value
  }
  const secretName = wasm.imagePullSecret
  const secret =
    secretName === '' ? nothing : pullSecret(secretName, `${at}.imagePullSecret`, resource, referents, report)
  const url = sourceUrl(wasm.url, resource)
  return {
    key: istioPluginKey(resource),
    name: `${namespace}.${name}`,
    kind: wasm.type === 'NETWORK' ? 'tcp' : 'http',
    rootId: wasm.pluginName,
    vmId: '',
    vmConfiguration: new Uint8Array(0),
    configuration: bytesOf(wasm.pluginConfig),
    environment,
    failStrategy: failStrategies[wasm.failStrategy],
    source: sourceOf(resource, {
      url,
      sha256: wasm.sha256 === '' ? undefined : wasm.sha256,
      pull: wasm.imagePullPolicy === 'UNSPECIFIED_POLICY' ? usualPull(url) : pulls[wasm.imagePullPolicy],
      pullSecret: secret.text,
    }),
    module: undefined,
    problem: resource.isStandIn === true ? standInProblem : secret.problem,
  }
}

const failStrategies: Readonly<Record<IstioWasm['failStrategy'], Plugin['failStrategy']>> = {
  FAIL_CLOSE: 'fail-closed',
  FAIL_OPEN: 'fail-open',
  FAIL_RELOAD: 'reload',
}

const pulls = { IfNotPresent: 'if-not-present', Always: 'always' } as const

/** Envoy Gateway gives each plugin a machine of its own, and so do we. */
export function envoyPlugin(
  policy: EnvoyExtensionPolicyResource,
  wasm: EnvoyWasm,
  index: number,
  referents: PluginReferents,
  report: Report,
): Plugin {
  const { namespace, name } = policy.metadata
  const key = `EnvoyExtensionPolicy ${namespace}/${name}/${index}`
  const at = `spec.wasm[${index}]`
  const environment: Record<string, string> = {}
  for (const [place, variable] of (wasm.env?.hostKeys ?? []).entries()) {
    const value = hostVariable(variable, `${at}.env.hostKeys[${place}]`, referents, report)
    if (value !== undefined) environment[variable] = value
  }
  const { http, image, pullPolicy } = wasm.code
  const field = http === undefined ? 'image' : 'http'
  const ref = image?.pullSecretRef
  const secret =
    ref === undefined ? nothing : pullSecret(ref.name, `${at}.code.image.pullSecretRef`, policy, referents, report)
  const authorities = authoritiesOf(policy, (http ?? image)?.tls, `${at}.code.${field}.tls`, referents, report)
  const url = sourceUrl(http?.url ?? image?.url ?? '', policy)
  return {
    key,
    name: wasm.name ?? `${namespace}/${name}/${index}`,
    kind: 'http',
    rootId: wasm.rootID ?? '',
    vmId: key,
    vmConfiguration: new Uint8Array(0),
    configuration: bytesOf(wasm.config),
    environment,
    failStrategy: wasm.failOpen ? 'fail-open' : 'fail-closed',
    source: sourceOf(policy, {
      url,
      sha256: (http ?? image)?.sha256,
      pull: pullPolicy === undefined ? usualPull(url) : pulls[pullPolicy],
      pullSecret: secret.text,
      ...(authorities.text === undefined ? {} : { authorities: authorities.text }),
    }),
    module: undefined,
    problem: policy.isStandIn === true ? standInProblem : (secret.problem ?? authorities.problem),
  }
}

interface Referred {
  readonly text: string | undefined
  readonly problem: string | undefined
}

const nothing: Referred = { text: undefined, problem: undefined }

function sourceOf(resource: PluginResource, source: PluginSource): PluginSource {
  return resource.isStandIn === true ? { ...source, url: '' } : source
}

function bytesOf(config: unknown): Uint8Array {
  return config === undefined || config === null ? new Uint8Array(0) : Buffer.from(JSON.stringify(config))
}

/** Files are relative to that of the resource; what has no scheme is an image. */
function sourceUrl(url: string, { origin }: PluginResource): string {
  if (url.startsWith('file://')) return `file://${resolve(dirname(origin.file), url.slice('file://'.length))}`
  return url.includes('://') ? url : `oci://${url}`
}

/** As Istio and Kubernetes: the tag `latest`, also where none is written, may mean another image each time. */
function usualPull(url: string): PluginSource['pull'] {
  if (!url.startsWith('oci://') || url.includes('@')) return 'if-not-present'
  const tag = /:([^/:]+)$/.exec(url.slice('oci://'.length))?.[1] ?? 'latest'
  return tag === 'latest' ? 'always' : 'if-not-present'
}

function hostVariable(
  name: string,
  path: string,
  { hostEnvironment }: PluginReferents,
  report: Report,
): string | undefined {
  const value = hostEnvironment[name]
  if (value === undefined) report('warning', path, `the agent's environment has no ${name}`)
  return value
}

const dockerConfigKey = '.dockerconfigjson'

function pullSecret(
  name: string,
  path: string,
  resource: PluginResource,
  { secrets }: PluginReferents,
  report: Report,
): Referred {
  const key = `${resource.metadata.namespace}/${name}`
  const secret = secrets.get(key)
  const text = secret?.data[dockerConfigKey]
  const problem =
    secret === undefined
      ? `no Secret ${key}${didYouMean(key, secrets.keys())}`
      : secret.type !== 'kubernetes.io/dockerconfigjson' || text === undefined
        ? `Secret ${key} is of type ${secret.type}, not kubernetes.io/dockerconfigjson with a ${dockerConfigKey}`
        : undefined
  if (problem !== undefined) report('error', path, problem)
  return problem === undefined
    ? { text: Buffer.from(text ?? '', 'base64').toString(), problem }
    : { ...nothing, problem }
}

function authoritiesOf(
  policy: EnvoyExtensionPolicyResource,
  tls: NonNullable<EnvoyWasm['code']['http']>['tls'],
  path: string,
  { authorities, configMaps, secrets }: PluginReferents,
  report: Report,
): Referred {
  if (tls === undefined) return nothing
  const ref = { ...tls.caCertificateRef, namespace: policy.metadata.namespace }
  const outcome = authorities.resolve(ref, configMaps, secrets)
  if (outcome.kind === 'valid') return { text: outcome.pem, problem: undefined }
  report('error', `${path}.caCertificateRef`, outcome.message)
  return { text: undefined, problem: outcome.message }
}
