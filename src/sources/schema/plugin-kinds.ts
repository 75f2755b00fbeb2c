import { dnsLabel, group, kind, labels, labelSelector, objectName, port, subdomain } from './formats.ts'
import type { Identity } from './object.ts'
import type {
  EnvoyExtensionPolicyResource,
  EnvoyExtensionPolicySpec,
  EnvoyWasm,
  ImageTls,
  IstioAttachment,
  IstioWasm,
  JsonObject,
  LabelSelector,
  PluginTarget,
  TrafficExtensionResource,
  TrafficExtensionSpec,
  WasmPluginResource,
  WasmPluginSpec,
} from './resource.ts'
import {
  anything,
  array,
  atMostOne,
  boolean,
  byDefault,
  describe,
  enumeration,
  integer,
  object,
  optional,
  Reading,
  required,
  string,
} from './shape.ts'
import type { Field, Fields, Rule, Shape } from './shape.ts'

// WasmPlugin and TrafficExtension of extensions.istio.io/v1alpha1, EnvoyExtensionPolicy of gateway.envoyproxy.io/v1alpha1.

const none: readonly never[] = Object.freeze([])

/** What published schemas have and Heddle can't do: it is said, never passed over. */
function refused(reason: string): Field<never> {
  return optional<never>({
    expects: 'nothing',
    read(_value, reading) {
      reading.error(reason)
      return undefined
    },
  })
}

/** Whatever stands in it is the plugin's own affair, null too. */
const json: Shape<JsonObject> = {
  expects: 'an object',
  read(value, reading) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
    reading.error(`expected an object, found ${describe(value)}`)
    return undefined
  },
}

const sha256 = string({ pattern: /^([0-9a-f]{64})?$/, about: 'a SHA-256 of 64 lower-case hexadecimal digits' })

const environmentName = string({
  min: 1,
  max: 256,
  pattern: /^[A-Za-z_.-][A-Za-z0-9_.-]*$/,
  about: 'the name of an environment variable',
})

// Istio

/** A URL without a scheme is one of an image. */
const istioUrl: Shape<string> = string({
  min: 1,
  max: 2048,
  pattern: /^(?:(?:file|https?|oci):\/\/\S+|(?![a-z]+:\/\/)\S+)$/,
  about: 'a URL that begins with file://, http://, https:// or oci://',
})

type EnvVar = NonNullable<IstioWasm['vmConfig']>['env'][number]

const valueByOrigin: Rule<EnvVar> = {
  reads: ['valueFrom', 'value'],
  check({ valueFrom, value }, reading) {
    if (valueFrom === 'HOST' && value !== '') reading.error('does not go with valueFrom HOST', 'value')
  },
}

const envVar: Shape<EnvVar> = object<EnvVar>(
  {
    name: required(environmentName),
    valueFrom: byDefault(enumeration('INLINE', 'HOST'), 'INLINE'),
    value: byDefault(string({ max: 2048 }), ''),
  },
  { rules: [valueByOrigin] },
)

const unverified = 'signatures of images are not verified by Heddle; pin the module with sha256 instead'

const istioWasm = {
  url: required(istioUrl),
  sha256: byDefault(sha256, ''),
  imagePullPolicy: byDefault(
    enumeration<IstioWasm['imagePullPolicy']>('UNSPECIFIED_POLICY', 'IfNotPresent', 'Always'),
    'UNSPECIFIED_POLICY',
  ),
  imagePullSecret: byDefault(string({ max: 253 }), ''),
  verificationKey: refused(unverified),
  pluginName: byDefault(string({ max: 256 }), ''),
  pluginConfig: optional(json),
  failStrategy: byDefault(
    enumeration<IstioWasm['failStrategy']>('FAIL_CLOSE', 'FAIL_OPEN', 'FAIL_RELOAD'),
    'FAIL_CLOSE',
  ),
  vmConfig: optional(
    object<NonNullable<IstioWasm['vmConfig']>>({
      env: byDefault(
        array(envVar, { max: 256, unique: { by: ({ name }) => name, what: 'name' } }),
        none as readonly EnvVar[],
      ),
    }),
  ),
  type: byDefault(
    enumeration<IstioWasm['type']>('UNSPECIFIED_PLUGIN_TYPE', 'HTTP', 'NETWORK'),
    'UNSPECIFIED_PLUGIN_TYPE',
  ),
}

const istioTarget: Shape<PluginTarget> = object<PluginTarget>({
  group: byDefault(group, ''),
  kind: required(kind),
  name: required(objectName),
  namespace: optional(dnsLabel),
  sectionName: refused('a target of Istio has no sections; match its ports instead'),
})

type Traffic = IstioAttachment['match'][number]

const traffic: Shape<Traffic> = object<Traffic>({
  mode: byDefault(enumeration('UNDEFINED', 'CLIENT', 'SERVER', 'CLIENT_AND_SERVER'), 'UNDEFINED'),
  ports: byDefault(
    array(object<{ readonly number: number }>({ number: required(port) })),
    none as readonly { readonly number: number }[],
  ),
})

const workloadSelector: Shape<LabelSelector> = object<LabelSelector>({
  matchLabels: optional(labels),
  matchExpressions: refused('a selector of Istio has only matchLabels'),
})

function attachmentFields(phases: Shape<IstioAttachment['phase']>): Fields<IstioAttachment> {
  return {
    selector: optional(workloadSelector),
    targetRefs: byDefault(array(istioTarget, { max: 16 }), none as readonly PluginTarget[]),
    phase: byDefault(phases, 'UNSPECIFIED'),
    priority: byDefault(integer(-2_147_483_648), 0),
    match: byDefault(array(traffic), none as readonly Traffic[]),
  }
}

const newPhases = enumeration<IstioAttachment['phase']>('UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS')

/** A WasmPlugin calls the same by longer names. */
const oldPhases: Shape<IstioAttachment['phase']> = {
  expects: 'one of UNSPECIFIED_PHASE, AUTHN, AUTHZ, STATS',
  read(value, reading) {
    const read = enumeration('UNSPECIFIED_PHASE', 'AUTHN', 'AUTHZ', 'STATS').read(value, reading)
    return read === 'UNSPECIFIED_PHASE' ? 'UNSPECIFIED' : read
  },
}

const oneWay: Rule<IstioAttachment> = {
  reads: ['selector', 'targetRefs'],
  check({ selector, targetRefs }, reading) {
    if (selector !== undefined && targetRefs.length > 0) reading.error('may have only one of selector, targetRefs')
  },
}

/** The older form of one target. */
const singleTarget = { targetRef: optional(istioTarget) }

function withTargetRef<T extends { readonly targetRefs: readonly PluginTarget[] }>(shape: Shape<T>): Shape<T> {
  return {
    expects: shape.expects,
    read(value, reading) {
      const read = shape.read(value, reading) as (T & { targetRef?: PluginTarget }) | undefined
      if (read?.targetRef === undefined) return read
      const { targetRef, ...rest } = read
      return { ...rest, targetRefs: [targetRef, ...read.targetRefs] } as unknown as T
    },
  }
}

// Fields that are refused never reach the result, which is what the types of the results say.
export const wasmPluginSpec: Shape<WasmPluginSpec> = withTargetRef(
  object<WasmPluginSpec>({ ...attachmentFields(oldPhases), ...singleTarget, ...istioWasm } as Fields<WasmPluginSpec>, {
    rules: [oneWay, atMostOne('selector', 'targetRef' as 'selector')],
  }),
)

export const trafficExtensionSpec: Shape<TrafficExtensionSpec> = object<TrafficExtensionSpec>(
  {
    ...attachmentFields(newPhases),
    wasm: required(object<IstioWasm>(istioWasm as Fields<IstioWasm>)),
    lua: refused('scripts in Lua are not run by Heddle; only wasm is'),
  } as Fields<TrafficExtensionSpec>,
  { rules: [oneWay] },
)

// Envoy Gateway

const httpUrl = string({
  min: 1,
  max: 2048,
  pattern: /^https?:\/\/\S+$/,
  about: 'a URL that begins with http:// or https://',
})

/** Without a scheme, as in `docker pull`, or with oci://. */
const imageUrl = string({
  min: 1,
  max: 2048,
  pattern: /^(?:oci:\/\/)?(?![a-z]+:\/\/)\S+$/,
  about: 'the name of an image like "registry.example/plugins/auth:1.0"',
})

const tls: Shape<ImageTls> = object<ImageTls>({
  caCertificateRef: required(
    object<ImageTls['caCertificateRef']>({
      group: byDefault(group, ''),
      kind: byDefault(kind, 'Secret'),
      name: required(objectName),
    }),
  ),
})

const secretRef = object<NonNullable<NonNullable<EnvoyWasm['code']['image']>['pullSecretRef']>>({
  group: byDefault(group, ''),
  kind: byDefault(kind, 'Secret'),
  name: required(objectName),
})

const codeByType: Rule<EnvoyWasm['code']> = {
  reads: ['type', 'http', 'image'],
  check({ type, http, image }, reading) {
    if (type === 'HTTP' && http === undefined) reading.error('is required for type HTTP', 'http')
    if (type === 'Image' && image === undefined) reading.error('is required for type Image', 'image')
    if (type === 'HTTP' && image !== undefined) reading.error('does not go with type HTTP', 'image')
    if (type === 'Image' && http !== undefined) reading.error('does not go with type Image', 'http')
  },
}

const code: Shape<EnvoyWasm['code']> = object<EnvoyWasm['code']>(
  {
    type: required(enumeration('HTTP', 'Image')),
    http: optional(
      object<NonNullable<EnvoyWasm['code']['http']>>({
        url: required(httpUrl),
        sha256: optional(sha256),
        tls: optional(tls),
      }),
    ),
    image: optional(
      object<NonNullable<EnvoyWasm['code']['image']>>({
        url: required(imageUrl),
        sha256: optional(sha256),
        pullSecretRef: optional(secretRef),
        tls: optional(tls),
      }),
    ),
    pullPolicy: optional(enumeration('IfNotPresent', 'Always')),
  },
  { rules: [codeByType] },
)

const envoyWasm: Shape<EnvoyWasm> = object<EnvoyWasm>({
  name: optional(string({ max: 253 })),
  rootID: optional(string({ max: 253 })),
  config: optional(anything),
  failOpen: byDefault(boolean, false),
  code: required(code),
  env: optional(
    object<NonNullable<EnvoyWasm['env']>>({
      hostKeys: byDefault(array(environmentName, { max: 256 }), none as readonly string[]),
    }),
  ),
})

const gatewayApi = 'gateway.networking.k8s.io'

const envoyTarget: Shape<PluginTarget> = object<PluginTarget>({
  group: required(enumeration(gatewayApi)),
  kind: required(enumeration('Gateway', 'ListenerSet', 'HTTPRoute', 'GRPCRoute', 'TCPRoute', 'UDPRoute', 'TLSRoute')),
  name: required(objectName),
  namespace: refused('a policy is for what is in its own namespace'),
  sectionName: optional(subdomain),
})

type TargetSelector = EnvoyExtensionPolicySpec['targetSelectors'][number]

const targetSelector: Shape<TargetSelector> = {
  expects: 'an object',
  read(value, reading) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      reading.error(`expected an object, found ${describe(value)}`)
      return undefined
    }
    const { group: itsGroup = gatewayApi, kind: itsKind, ...selector } = value as Record<string, unknown>
    const target = envoyTarget.read({ group: itsGroup, kind: itsKind, name: 'any' }, reading)
    const read = labelSelector.read(selector, reading)
    return target === undefined || read === undefined ? undefined : { group: target.group, kind: target.kind, ...read }
  },
}

const envoyAttachment = {
  targetRef: optional(envoyTarget),
  targetRefs: byDefault(array(envoyTarget, { max: 16 }), none as readonly PluginTarget[]),
  targetSelectors: byDefault(array(targetSelector), none as readonly TargetSelector[]),
}

const someTarget: Rule<EnvoyExtensionPolicySpec & { readonly targetRef?: PluginTarget }> = {
  reads: ['targetRef', 'targetRefs', 'targetSelectors'],
  check({ targetRef, targetRefs, targetSelectors }, reading) {
    if (targetRef === undefined && targetRefs.length === 0 && targetSelectors.length === 0) {
      reading.error('needs targetRefs or targetSelectors')
    }
  },
}

export const envoyExtensionPolicySpec: Shape<EnvoyExtensionPolicySpec> = withTargetRef(
  object<EnvoyExtensionPolicySpec>(
    {
      ...envoyAttachment,
      wasm: byDefault(array(envoyWasm, { max: 16 }), none as readonly EnvoyWasm[]),
      extProc: refused('external processing is not done by Heddle; only wasm is'),
      lua: refused('scripts in Lua are not run by Heddle; only wasm is'),
      dynamicModule: refused('modules of native code are not loaded by Heddle; only wasm is'),
      mergeType: refused('policies are not merged by Heddle: that of a route holds instead of that of its Gateway'),
    } as Fields<EnvoyExtensionPolicySpec>,
    { rules: [someTarget as Rule<EnvoyExtensionPolicySpec>] },
  ),
)

// What takes the place of a resource with mistakes that never was right: a plugin without a module, where it was to run.
// With FAIL_OPEN it lets everything pass, else nothing.

function fieldsOf(value: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  const spec = value['spec']
  if (typeof spec !== 'object' || spec === null) return {}
  return Object.fromEntries(Object.entries(spec).filter(([name]) => names.includes(name)))
}

function sound<T>(shape: Shape<T>, value: unknown): T | undefined {
  const reading = new Reading()
  const read = shape.read(value, reading)
  return reading.findings.some(({ severity }) => severity === 'error') ? undefined : read
}

function metadataOf({ name, namespace }: Identity): WasmPluginResource['metadata'] | undefined {
  if (name === undefined) return undefined
  return { name, namespace: namespace ?? 'default', labels: {}, annotations: {}, generation: 1 }
}

const whereFields: readonly string[] = ['selector', 'targetRef', 'targetRefs', 'phase', 'priority', 'match']

export function wasmPluginStandIn(
  value: Readonly<Record<string, unknown>>,
  identity: Identity,
): Omit<WasmPluginResource, 'origin'> | undefined {
  const metadata = metadataOf(identity)
  const { failStrategy } = fieldsOf(value, ['failStrategy'])
  const isOpen = failStrategy === 'FAIL_OPEN'
  const spec = sound(wasmPluginSpec, {
    ...fieldsOf(value, whereFields),
    url: 'none',
    failStrategy: isOpen ? failStrategy : 'FAIL_CLOSE',
  })
  if (metadata === undefined || spec === undefined) return undefined
  return { apiVersion: 'extensions.istio.io/v1alpha1', kind: 'WasmPlugin', metadata, spec, isStandIn: true }
}

export function trafficExtensionStandIn(
  value: Readonly<Record<string, unknown>>,
  identity: Identity,
): Omit<TrafficExtensionResource, 'origin'> | undefined {
  const metadata = metadataOf(identity)
  const { wasm } = fieldsOf(value, ['wasm'])
  const isOpen = fieldsOf({ spec: wasm }, ['failStrategy'])['failStrategy'] === 'FAIL_OPEN'
  const spec = sound(trafficExtensionSpec, {
    ...fieldsOf(value, whereFields),
    wasm: { url: 'none', failStrategy: isOpen ? 'FAIL_OPEN' : 'FAIL_CLOSE' },
  })
  if (metadata === undefined || spec === undefined) return undefined
  return { apiVersion: 'extensions.istio.io/v1alpha1', kind: 'TrafficExtension', metadata, spec, isStandIn: true }
}

export function envoyExtensionPolicyStandIn(
  value: Readonly<Record<string, unknown>>,
  identity: Identity,
): Omit<EnvoyExtensionPolicyResource, 'origin'> | undefined {
  const metadata = metadataOf(identity)
  const spec = sound(envoyExtensionPolicySpec, {
    ...fieldsOf(value, Object.keys(envoyAttachment)),
    wasm: [{ code: { type: 'Image', image: { url: 'none' } } }],
  })
  if (metadata === undefined || spec === undefined) return undefined
  const apiVersion = 'gateway.envoyproxy.io/v1alpha1'
  return { apiVersion, kind: 'EnvoyExtensionPolicy', metadata, spec, isStandIn: true }
}
