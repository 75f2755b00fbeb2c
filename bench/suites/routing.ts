/** The time of one route lookup, without a proxy around it: how it grows from 10 routes to 10,000. */
import { listenerId, seededRandom } from '../../src/proxy/routing/fixtures.ts'
import { RouteTable } from '../../src/proxy/routing/index.ts'
import type { RouteRequest } from '../../src/proxy/routing/index.ts'
import { routeShapes, shapedSnapshot } from '../../src/proxy/routing/testing.ts'
import type { RouteShape } from '../../src/proxy/routing/testing.ts'
import type { Sample } from '../result.ts'
import { rotated } from './suite.ts'
import type { Suite } from './suite.ts'

const many = 10_000
const few = 10
/** More than a branch predictor learns by heart before they come again. */
const requestCount = 16_384
const measureMs = 25

/**
 * Which of the routes get requests: as many as there are among ten, so that only the number of routes differs; a
 * hundred that are busy, spread over all; or each as likely as the next.
 */
const mixes = [
  { name: 'ten busy', routes: few },
  { name: 'hundred busy', routes: 100 },
  { name: 'any route', routes: many },
] as const

/** One lookup, for the request at `at`; answers the number of the route from 1, or 0 for none. */
type Lookup = (requests: Requests, at: number) => number

export const routing: Suite = {
  name: 'routing',
  isSelfContained: true,
  limits: [
    'a lookup by itself: in a proxy other work competes for the caches, among 10 routes as among 10,000',
    '“any route” goes to 10,000 routes in random order and waits for memory at every step, as a Map does',
    'paths are cut out of a longer text, as for a request with a query; texts that came whole are read faster',
  ],
  run(options) {
    const samples: Sample[] = []
    for (const shape of routeShapes) {
      const wanted = mixes.filter(mix => `${shape.name}, ${mix.name}`.includes(options.only))
      if (wanted.length === 0) continue
      options.progress(`routing, ${shape.name}`)
      const contestants = {
        heddle: lookupInTable(shape, many),
        '10 routes': lookupInTable(shape, few),
        Map: lookupInMap(shape),
      }
      const baseline = new Requests(shape, few, few)
      for (const mix of wanted) {
        const requests = new Requests(shape, many, mix.routes)
        const race = Object.entries(contestants).map(([name, lookup]) => ({
          name,
          run: () => nsPerLookup(lookup, name === '10 routes' ? baseline : requests),
        }))
        for (const { run } of race) run()
        for (let round = 0; round < options.rounds; round += 1) {
          for (const { name, run } of rotated(race, round)) {
            options.signal.throwIfAborted()
            samples.push({
              case: `${shape.name}, ${mix.name}`,
              metric: 'lookup',
              contestant: name,
              round,
              value: run(),
            })
          }
        }
      }
    }
    return Promise.resolve(samples)
  },
}

function nsPerLookup(lookup: Lookup, requests: Requests): number {
  const startMs = performance.now()
  let turns = 0
  let sum = 0
  for (; performance.now() - startMs < measureMs; turns += 1) {
    for (let at = 0; at < requestCount; at += 1) sum += lookup(requests, at)
  }
  const ms = performance.now() - startMs
  if (sum !== turns * requests.sum) throw new Error('a lookup found the wrong route')
  return (ms * 1e6) / (turns * requestCount)
}

function lookupInTable(shape: RouteShape, count: number): Lookup {
  const empty: RouteTable<number> = RouteTable.empty
  // Cloned, as a worker gets it: its texts lie in memory one by one.
  const table = empty.update(structuredClone(shapedSnapshot(shape, count)), route => Number(route.name) + 1)
  return (requests, at) => {
    requests.seek(at)
    return table.virtualHost(listenerId, requests.host)?.match(requests, undefined)?.target ?? 0
  }
}

/** The least that a lookup can do: one map of all routes, asked for what names the route. */
function lookupInMap(shape: RouteShape): Lookup {
  const keys = Array.from({ length: many }, (_, index) => shape.request(index).key)
  const map = structuredClone(
    new Map(keys.map((key, index) => [shape.isMiss === true ? `${key}-other` : key, { target: index + 1 }])),
  )
  return (requests, at) => {
    return map.get(requests.key(at))?.target ?? 0
  }
}

/**
 * Requests in random order, of which one at a time is in view. As in the proxy
 * its texts are cut out of what was read, so that none is known from before.
 */
class Requests implements RouteRequest {
  /** Of the numbers that the lookups must find. */
  readonly sum: number
  method = 'GET'
  host = 'shop.example.com'
  path = '/'
  query = ''
  readonly #text: string
  readonly #bounds: Int32Array
  readonly #methods: readonly string[]
  readonly #has: { readonly host: boolean; readonly query: boolean }
  #at = 0

  /** @param hot so many of the `count` routes get requests, spread evenly over them */
  constructor({ request, isMiss }: RouteShape, count: number, hot: number) {
    const random = seededRandom(1)
    const parts: string[] = []
    const methods: string[] = []
    let sum = 0
    for (let at = 0; at < requestCount; at += 1) {
      const index = Math.floor((Math.floor(random() * hot) * count) / hot)
      const { method = 'GET', host = '', path, query = '', tenant = '', key } = request(index)
      parts.push(path, host, query, tenant, key)
      methods.push(method)
      if (isMiss !== true) sum += index + 1
    }
    this.sum = sum
    this.#methods = methods
    this.#has = { host: request(0).host !== undefined, query: request(0).query !== undefined }
    this.#bounds = new Int32Array(parts.length + 1)
    let end = 0
    parts.forEach((part, at) => {
      this.#bounds[at + 1] = end += part.length
    })
    // One flat text: joined, it would be made flat by the first one that reads it.
    this.#text = Buffer.from(parts.join('')).toString('latin1')
  }

  /** Brings a request into view for a table. */
  seek(at: number): void {
    this.#at = at * 5
    this.method = this.#methods[at] ?? ''
    this.path = this.#part(0)
    if (this.#has.host) this.host = this.#part(1)
    if (this.#has.query) this.query = this.#part(2)
  }

  header(lowerName: string): string | undefined {
    return lowerName === 'x-tenant' ? this.#part(3) : undefined
  }

  key(at: number): string {
    this.#at = at * 5
    return this.#part(4)
  }

  #part(part: number): string {
    const at = this.#at + part
    return this.#text.slice(this.#bounds[at], this.#bounds[at + 1])
  }
}
