import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatProblem } from '../../core/index.ts'
import { ResourceTable } from './resource-table.ts'

const directory = join(import.meta.dirname, '../../../test/fixtures/mistakes')

/** `file:line: resource: path` of every problem that needs no other resource to be seen. */
const expected: readonly string[] = [
  'aliases.yaml:1: YAML: follows aliases',
  'bad-duration.yaml:12: HTTPRoute shop/bad-duration: spec.rules[0].timeouts.request',
  'bad-duration.yaml:13: HTTPRoute shop/bad-duration: spec.rules[0].timeouts.backendRequest',
  'conflicting-listeners.yaml:29: Gateway shop/same-listeners: spec.listeners[1]',
  'conflicting-listeners.yaml:45: Gateway shop/tls-mistakes: spec.listeners[0].tls',
  'conflicting-listeners.yaml:50: Gateway shop/tls-mistakes: spec.listeners[1].tls',
  'cross-field.yaml:13: HTTPRoute shop/cross-field: spec.rules[0].filters[0]',
  'cross-field.yaml:22: HTTPRoute shop/cross-field: spec.rules[1].timeouts.backendRequest',
  'cross-field.yaml:34: HTTPRoute shop/cross-field: spec.rules[2].filters[0].urlRewrite.path',
  'cross-field.yaml:50: BackendPolicy shop/no-hash: spec.loadBalancing.hash',
  'duplicate-key.yaml:10: YAML: the key ports stands twice',
  'names.json:15: Service shop/Upper_Case: metadata.name',
  'names.json:19: Service shop/Upper_Case: spec.ports[0].port',
  'syntax.yaml:14: YAML: a quote stays open',
  'unknown-field.yaml:11: HTTPRoute shop/unknown-field: spec.rules[0].backendRef: unknown field "backendRef", did you mean backendRefs?',
  'unknown-kind.yaml:3: HTTPRoutte shop/unknown-kind: kind: unknown kind "HTTPRoutte", did you mean HTTPRoute?',
  'unknown-kind.yaml:9: HTTPRoute shop/wrong-group: apiVersion',
  'unknown-kind.yaml:16: ServiceAccount shop/not-yet: not used by Heddle yet',
  'unknown-kind.yaml:23: Deployment shop/not-yet: not used by Heddle yet',
  'unknown-kind.yaml:30: apiVersion: is required',
  'unknown-kind.yaml:30: kind: is required',
  'wrong-type.yaml:10: HTTPRoute shop/wrong-type: spec.hostnames',
  'wrong-type.yaml:14: HTTPRoute shop/wrong-type: spec.rules[0].backendRefs[0].port',
  'wrong-type.yaml:17: HTTPRoute shop/wrong-type: spec.rules[0].backendRefs[1].weight',
  'zz-duplicate.yaml:10: HTTPRoute shop/cart: spec.rules: needs at least one item',
  'zz-duplicate.yaml:13: Service shop/cart: is defined already at good.yaml:',
]

const inForce: readonly string[] = [
  'BackendPolicy shop/cart',
  'BackendPolicy shop/dangling',
  'EndpointSlice shop/cart-1',
  'Gateway shop/conflict',
  'Gateway shop/web',
  'GatewayClass heddle',
  'HTTPRoute shop/cart',
  'HTTPRoute shop/cross-namespace',
  'HTTPRoute shop/dangling',
  'HTTPRoute shop/regex',
  'Namespace shop',
  'Namespace vault',
  'Service shop/after',
  'Service shop/before',
  'Service shop/cart',
  'Service shop/in-a-list',
  'Service vault/secrets',
]

test('a directory of mistakes gives one report, and all that is right is in force', () => {
  const update = new ResourceTable().update(
    readdirSync(directory).map(file => ({
      file,
      content: { kind: 'text', text: readFileSync(join(directory, file), 'utf8') },
    })),
  )
  const found = update.problems.map(formatProblem)
  for (const [index, start] of expected.entries()) {
    assert.ok(found[index]?.startsWith(start), `${found[index]} starts with ${start}`)
  }
  assert.equal(found.length, expected.length)
  assert.deepEqual([...update.resources.keys()].toSorted(), inForce)
})
