import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyStatus, largeStatus, shopStatus } from '../sample-status.ts'
import type { StatusDocument } from '../status-document.ts'
import { layoutMesh, placeBoxes } from './layout.ts'
import type { Picture } from './layout.ts'

function overlaps(picture: Picture): string[] {
  const found: string[] = []
  picture.nodes.forEach((a, i) => {
    for (const b of picture.nodes.slice(i + 1)) {
      const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
      if (!apart) found.push(`${a.id} and ${b.id}`)
    }
  })
  return found
}

const meshes: readonly [string, StatusDocument][] = [
  ['shop', shopStatus()],
  ['40 services', largeStatus(40)],
  ['5 services', largeStatus(5)],
]

test('layoutMesh() keeps every node inside the picture and off the others', () => {
  for (const [name, status] of meshes) {
    for (const width of [280, 448, 700, 900, 1300]) {
      for (const limit of [16, 1000]) {
        const picture = layoutMesh(status, width, limit)
        assert.deepEqual(overlaps(picture), [], `${name} at ${width}`)
        for (const node of picture.nodes) {
          const isInside =
            node.x >= 0 &&
            node.x + node.width <= width + 1 &&
            node.y >= -0.01 &&
            node.y + node.height <= picture.height + 0.01
          assert.ok(isInside, `${name} at ${width}: ${node.id} ${node.x} ${node.y}`)
        }
      }
    }
  }
})

test('layoutMesh() moves nothing because of traffic', () => {
  const places = (status: StatusDocument) => layoutMesh(status, 1200, 16).nodes.map(node => [node.id, node.x, node.y])
  assert.deepEqual(places(shopStatus(1)), places(shopStatus(77)))
})

test('layoutMesh() draws the path of each flow with its rate and its errors', () => {
  const picture = layoutMesh(shopStatus(), 1200, 16)
  const edge = (from: string, to: string) => picture.edges.find(each => each.id === `${from}\n${to}`)
  const canary = 'HTTPRoute shop/reviews-canary'
  assert.ok((edge('mesh', canary)?.requestsPerSecond ?? 0) > 50)
  assert.equal(edge(canary, 'shop/reviews:9080')?.errorRatio, 0.012)
  assert.equal(
    edge(canary, 'shop/recommendations-and-similar-items:9400')?.requestsPerSecond,
    0,
    'configured, without traffic',
  )
  assert.ok(
    (edge('mesh', 'shop/payment:7000')?.requestsPerSecond ?? 0) > 5,
    'the route a service has by itself is no node',
  )
  assert.ok((edge('Gateway shop/web', 'HTTPRoute shop/cart')?.requestsPerSecond ?? 0) > 30)
  assert.equal(
    picture.edges.some(each => each.id.includes('reviews-v9')),
    false,
  )
})

test('layoutMesh() shows endpoints as nodes where there is room, else as marks', () => {
  const wide = layoutMesh(shopStatus(), 1200, 16)
  const rows = wide.nodes.filter(node => node.id.startsWith('shop/reviews:9080\n'))
  assert.deepEqual(
    rows.map(node => [node.title, node.state]),
    [
      ['reviews-1', 'healthy'],
      ['127.0.0.1:19081', 'healthy'],
      ['reviews-3', 'healthy'],
      ['reviews-4', 'healthy'],
      ['2 more', 'ejected'],
    ],
  )
  assert.equal(wide.nodes.find(node => node.id === 'shop/ledger:9300')?.state, 'none')
  const narrow = layoutMesh(shopStatus(), 448, 16)
  assert.deepEqual([...new Set(narrow.nodes.map(node => node.kind))], ['route', 'service'])
  assert.deepEqual(narrow.nodes.find(node => node.id === 'shop/cart:8080')?.dots, ['healthy', 'healthy', 'unhealthy'])
})

test('layoutMesh() leaves out the routes of services that it leaves out', () => {
  const picture = layoutMesh(largeStatus(40), 1200, 16)
  assert.equal(picture.hiddenServices, 24)
  assert.equal(picture.nodes.filter(node => node.kind === 'service').length, 16)
  assert.equal(picture.nodes.filter(node => node.kind === 'route').length, 16)
  assert.equal(layoutMesh(largeStatus(40), 1200, 1000).nodes.filter(node => node.kind === 'route').length, 20)
})

test('layoutMesh() of an empty mesh has nothing', () => {
  assert.deepEqual(layoutMesh(emptyStatus(), 1200, 16).nodes, [])
})

test('placeBoxes() puts boxes near their wishes, in order, without overlap', () => {
  const box = (wish: number) => ({ id: '', height: 10, wish, y: 0 })
  const place = (wishes: number[]): number[] => {
    const boxes = wishes.map(box)
    placeBoxes(boxes, 2, 100)
    return boxes.map(each => each.y)
  }
  assert.deepEqual(place([20, 60]), [15, 55])
  assert.deepEqual(place([20, 21, 22]), [15, 27, 39])
  assert.deepEqual(place([99, 99]), [78, 90])
  assert.deepEqual(place([0]), [0])
})
