import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { listenerId } from './fixtures.ts'
import type { RouteRequest } from './request.ts'
import { RouteTable } from './route-table.ts'
import { routeShapes, shapedSnapshot } from './testing.ts'
import type { RouteShape } from './testing.ts'

/**
 * Whatever a lookup does shows in what it asks of the request and of the
 * engine's own types: so many of each as among ten routes, it may need among
 * ten thousand.
 */
type Steps = Readonly<Record<string, number>>

type Methods = Record<string, (...args: never) => unknown>

const countedMethods: readonly (readonly [owner: object, name: string])[] = [
  [Map.prototype, 'get'],
  [Map.prototype, 'has'],
  [String.prototype, 'charCodeAt'],
  [String.prototype, 'indexOf'],
  [String.prototype, 'slice'],
  [String.prototype, 'startsWith'],
  [RegExp.prototype, 'test'],
]

function tableOf(shape: RouteShape, count: number): RouteTable<number> {
  const empty: RouteTable<number> = RouteTable.empty
  return empty.update(shapedSnapshot(shape, count), route => Number(route.name))
}

function stepsOf(t: TestContext, table: RouteTable<number>, shape: RouteShape, index: number): Steps {
  const sketch = shape.request(index)
  const asked = { method: 0, path: 0, query: 0, header: 0 }
  const request: RouteRequest = {
    host: sketch.host ?? 'shop.example.com',
    get method() {
      asked.method++
      return sketch.method ?? 'GET'
    },
    get path() {
      asked.path++
      return sketch.path
    },
    get query() {
      asked.query++
      return sketch.query ?? ''
    },
    header() {
      asked.header++
      return sketch.tenant
    },
  }
  const mocks = countedMethods.map(([owner, name]) => ({ name, mock: t.mock.method(owner as Methods, name) }))
  const target = table.virtualHost(listenerId, request.host)?.match(request, undefined)?.target
  for (const { mock } of mocks) mock.mock.restore()
  assert.equal(target, shape.isMiss === true ? undefined : index)
  const called = mocks.map(({ name, mock }) => [name, mock.mock.callCount()] as const)
  return { ...asked, ...Object.fromEntries(called) }
}

describe('a lookup takes as many steps among 10,000 routes as among 10', () => {
  for (const shape of routeShapes) {
    it(`that differ in ${shape.name}`, t => {
      const few = tableOf(shape, 10)
      const many = tableOf(shape, 10_000)
      let most = 0
      for (let index = 0; index < 10; index++) {
        const steps = stepsOf(t, few, shape, index)
        assert.deepEqual(stepsOf(t, many, shape, index), steps)
        assert.ok(Object.values(steps).some(count => count > 0))
        most = Math.max(most, withoutCharacters(steps))
      }
      for (let index = 10; index < 10_000; index += 333) {
        assert.ok(withoutCharacters(stepsOf(t, many, shape, index)) <= most, `route ${index}`)
      }
    })
  }
})

/** All steps but the reading of the path, which is as long as it is. */
function withoutCharacters(steps: Steps): number {
  return Object.entries(steps).reduce((sum, [name, count]) => (name === 'charCodeAt' ? sum : sum + count), 0)
}
