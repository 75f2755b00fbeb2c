import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { grpcForms } from '../../codec/index.ts'
import { defaultBackendSettings } from '../../model/index.ts'
import type { Backend } from '../../model/index.ts'
import { isByHttp2 } from './version-towards.ts'

function backend(protocol: 'http1' | 'h2c', isProtocolAssumed: boolean): Backend {
  const of = { key: 'a/b:80', namespace: 'a', service: 'b', port: 80, portName: '', tls: undefined, endpoints: [] }
  return { ...of, protocol, isProtocolAssumed, settings: defaultBackendSettings }
}

const ports = {
  'that says h2c': backend('h2c', false),
  'that says http': backend('http1', false),
  'that says nothing': backend('http1', true),
}
const cases: readonly (readonly [
  port: keyof typeof ports,
  route: string,
  form: keyof typeof grpcForms,
  expected: boolean,
])[] = [
  ['that says h2c', 'HTTPRoute', 'none', true],
  ['that says h2c', 'HTTPRoute', 'webText', true],
  ['that says h2c', 'GRPCRoute', 'grpc', true],
  ['that says http', 'HTTPRoute', 'none', false],
  ['that says http', 'HTTPRoute', 'grpc', false],
  ['that says nothing', 'HTTPRoute', 'none', false],
  ['that says nothing', 'HTTPRoute', 'grpc', true],
  ['that says nothing', 'HTTPRoute', 'web', false],
  ['that says nothing', 'GRPCRoute', 'grpc', true],
  ['that says nothing', 'GRPCRoute', 'web', true],
]

suite('isByHttp2() towards a port', () => {
  for (const [port, route, form, expected] of cases) {
    test(`${port}, by a rule of an ${route}, of a request of form ${form}: ${expected}`, () => {
      const kind = { isGrpcRule: route === 'GRPCRoute', grpcForm: grpcForms[form] }
      assert.equal(isByHttp2(ports[port], kind), expected)
    })
  }
})
