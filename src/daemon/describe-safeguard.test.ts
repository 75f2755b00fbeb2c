import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Safeguard } from '../model/index.ts'
import { describeSafeguard } from './describe-safeguard.ts'

const limit = {
  kind: 'rate-limit',
  name: 'per-client',
  tableKey: '',
  requests: 100,
  periodMs: 60_000,
  burst: 100,
  by: [],
  maxKeys: 1,
  tellsClient: true,
} as const
const auth = {
  kind: 'external-auth',
  protocol: 'grpc',
  backend: 'vault/opa:9191',
  pathPrefix: '',
  requestHeaders: undefined,
  responseHeaders: undefined,
  maxBodyBytes: 0,
  timeoutMs: 1000,
  failsOpen: false,
} as const

const cases: readonly (readonly [Safeguard, string])[] = [
  [limit, 'rate limit per-client: 100 in 60 s'],
  [
    { ...limit, burst: 10, by: [{ kind: 'client-address' }, { kind: 'header', name: 'x-key' }] },
    'rate limit per-client: 100 in 60 s, at most 10 at once by client address and header x-key',
  ],
  [
    {
      kind: 'fault',
      delay: { durationMs: 1500, fraction: 0.1 },
      abort: { status: 503, grpcStatus: undefined, fraction: 0.001 },
      headers: [{ kind: 'exact', name: 'x-fault', value: 'on' }],
    },
    'fault: delay 10% by 1.5 s, abort 0.1% with 503 with header x-fault: on',
  ],
  [
    {
      kind: 'fault',
      delay: undefined,
      abort: { status: 503, grpcStatus: 14, fraction: 1 },
      headers: [],
    },
    'fault: abort 100% with grpc-status unavailable',
  ],
  [
    { kind: 'compression', encodings: ['br', 'gzip'], minBytes: 1024, contentTypes: [] },
    'compression: br, gzip from 1024 bytes',
  ],
  [{ kind: 'direct-response', status: 503, headers: [], body: '' }, 'direct response 503'],
  [{ kind: 'body-limit', maxBytes: 10 }, 'body limit 10 bytes'],
  [auth, 'external authorization by vault/opa:9191, gRPC'],
  [{ ...auth, failsOpen: true }, 'external authorization by vault/opa:9191, gRPC, fails open'],
]
for (const [filter, text] of cases) {
  test(`describeSafeguard() says ${text}`, () => assert.equal(describeSafeguard(filter), text))
}
