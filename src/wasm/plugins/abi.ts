/**
 * The numbers of the Proxy-Wasm ABI, versions 0.1.0, 0.2.0 and 0.2.1.
 *
 * @see https://github.com/proxy-wasm/spec, abi-versions
 */
export const statuses = {
  ok: 0,
  notFound: 1,
  badArgument: 2,
  serializationFailure: 3,
  parseFailure: 4,
  invalidMemoryAccess: 6,
  empty: 7,
  casMismatch: 8,
  internalFailure: 10,
} as const

/** What a host function answers. SDKs end the plugin on statuses they don't expect: `unimplemented` is never one of ours. */
export type Status = (typeof statuses)[keyof typeof statuses]

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'critical'] as const
export type PluginLogLevel = (typeof logLevels)[number]

/** Of headers, body and trailers; larger ones are read as the largest of the callback. */
export const actions = {
  continue: 0,
  pause: 1,
  /** Headers: pass them on, and no more. Body: like `pause`, with back-pressure at the limit. */
  continueAndEnd: 2,
  /** Body: keep nothing of it. */
  pauseWithoutBuffer: 3,
} as const

export const bufferTypes = {
  httpRequestBody: 0,
  httpResponseBody: 1,
  downstreamData: 2,
  upstreamData: 3,
  httpCallResponseBody: 4,
  grpcCallMessage: 5,
  vmConfiguration: 6,
  pluginConfiguration: 7,
  foreignFunctionArguments: 8,
} as const

export const mapTypes = {
  httpRequestHeaders: 0,
  httpRequestTrailers: 1,
  httpResponseHeaders: 2,
  httpResponseTrailers: 3,
  grpcCallInitialMetadata: 4,
  grpcCallTrailingMetadata: 5,
  httpCallResponseHeaders: 6,
  httpCallResponseTrailers: 7,
} as const

export const streamTypes = { httpRequest: 0, httpResponse: 1, downstream: 2, upstream: 3 } as const

export const peerTypes = { unknown: 0, local: 1, remote: 2 } as const
export type PeerType = keyof typeof peerTypes

export const metricKinds = ['counter', 'gauge', 'histogram'] as const
export type PluginMetricKind = (typeof metricKinds)[number]

export const abiVersions = ['0.1.0', '0.2.0', '0.2.1'] as const
export type AbiVersion = (typeof abiVersions)[number]

/** The first marker that a module exports decides, whatever else it exports. */
export function abiVersionOf(
  exports: readonly { readonly name: string; readonly kind: string }[],
): AbiVersion | undefined {
  for (const { name, kind } of exports) {
    if (kind !== 'function') continue
    const version = abiVersions.find(candidate => name === `proxy_abi_version_${candidate.replaceAll('.', '_')}`)
    if (version !== undefined) return version
  }
  return undefined
}
