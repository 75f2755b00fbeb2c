import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ExplainDocument } from '../daemon/index.ts'
import { renderReport } from './check.ts'
import { renderExplanation } from './explain.ts'
import { renderLogLine } from './logs.ts'
import { choosePaint, coloured, plain, withoutControls } from './paint.ts'
import { formatDuration, formatLatency, formatRate, formatShare, sparkline } from './quantities.ts'
import { renderRouteTrees } from './routes.ts'
import { sampleStatus } from './sample-status.ts'
import { renderStatus } from './status.ts'
import { cutMiddle, renderTable } from './table.ts'
import type { RenderOptions } from './table.ts'
import { renderTop } from './top.ts'
import { renderStart } from './up.ts'

const wide = { paint: plain, width: undefined }

/** Golden texts below are indented by four spaces and end with a line of their own. */
function golden(text: string): string {
  return text
    .replace(/^\n/, '')
    .replace(/\n\s*$/, '')
    .replaceAll(/^ {4}/gm, '')
}

test('status shows Gateways, routes, services, endpoints and problems', () => {
  assert.equal(
    renderStatus(sampleStatus, wide),
    golden(`
    heddle 0.1.0, pid 42, up 3m 5s, ready, 2 workers, configuration 7
    tier: user space (as --tier user wants it)
    transport: native (sockets by system calls)
    names: 127.0.0.1:15053

    Gateways
    NAME         ADDRESS    LISTENERS                                CONDITIONS
    shop/web     127.0.0.1  http HTTP:8080 *.shop.example (1 route)  Accepted, Programmed
    shop/broken  -          -                                        not Programmed: AddressNotUsable

    Routes
    NAME                    HOSTNAMES         ON                     RULES  REQ/S
    HTTPRoute shop/reviews  www.shop.example  Gateway shop/web/http      1   1.2k

    Services
    NAME               ADDRESS          HEALTHY    REQ/S  ERRORS  POLICY
    shop/reviews:9080  127.77.1.2:9080  1/4         1.2k    2.5%  LeastRequest, health check /healthz
      127.0.0.1:9001                    healthy     1.2k    2.5%  reviews-v1, 3 under way
      127.0.0.1:9002                    unhealthy      0      0%  reviews-v2
      127.0.0.1:9003                    ejected        0      0%  zone west, weight 5
      127.0.0.1:9004                    draining       0      0%
    shop/empty:80      -                0/0            0      0%  RoundRobin

    NetworkPolicies
    NAME          SELECTS                           INGRESS   EGRESS   ENFORCED
    shop/closed   nothing                           deny all  -        NO, has mistakes
    shop/reviews  shop/reviews-v1, shop/reviews-v2  1 rule    2 rules  NO

    Problems
    error routes.yaml:12: HTTPRoute shop/reviews: spec.rules[0].backendRefs[1]: there is no Service shop/reviws, did you mean reviews?
    warning x.yaml: bell � and colour
    `),
  )
})

test('status of an agent that is not ready says what is awaited', () => {
  const agent = { ...sampleStatus.agent, ready: false, awaiting: ['workers', 'listeners'], workers: 1 }
  const text = renderStatus({ ...sampleStatus, agent, gateways: [], routes: [], services: [], problems: [] }, wide)
  assert.equal(
    text.split('\n')[0],
    'heddle 0.1.0, pid 42, up 3m 5s, awaiting workers, listeners, 1 worker, configuration 7',
  )
})

test('status fits a narrow terminal, and cuts names in the middle', () => {
  const lines = renderStatus({ ...sampleStatus, problems: [] }, { paint: plain, width: 70 }).split('\n')
  for (const line of lines.slice(2)) assert.ok(Array.from(line).length <= 70, line)
  assert.ok(lines.some(line => line.includes('…')))
})

test('status paints what is well green and what is not red', () => {
  const text = renderStatus(sampleStatus, { paint: coloured, width: undefined })
  assert.ok(text.includes('\u001b[32mready\u001b[39m'))
  assert.ok(text.includes('\u001b[31munhealthy\u001b[39m'))
  assert.ok(text.includes('\u001b[33mdraining\u001b[39m'))
})

test('routes shows rules with matches, filters and shares', () => {
  assert.equal(
    renderRouteTrees(sampleStatus.routes.slice(0, 1), wide),
    golden(`
    HTTPRoute shop/reviews  www.shop.example  on Gateway shop/web/http
      RULE  MATCHES         FILTERS              BACKENDS
      0     GET /reviews/*  rewrite prefix to /  shop/reviews:9080 90%
            /stars                               BackendNotFound 10%: there is no Service shop/reviws
    `),
  )
})

test('top shows busy services first, with latencies and the last minute', () => {
  assert.equal(
    renderTop(sampleStatus, { ...wide, height: undefined }),
    golden(`
    heddle 0.1.0, pid 42, up 3m 5s, ready, 2 workers, configuration 7
    tier: user space (as --tier user wants it)
    transport: native (sockets by system calls)
    names: 127.0.0.1:15053

    1.2k req/s  2.5% errors  p50 0.40ms  p90 12ms  p99 1.3s                  ▁▃▅█

    SERVICE            HEALTHY  REQ/S  ERRORS     P50   P90   P99  LAST MINUTE
    shop/reviews:9080      1/4   1.2k    2.5%  0.40ms  12ms  1.3s                  ▁▃▅█
    shop/empty:80          0/0      0      0%       -     -     -${' '.repeat(22)}

    ROUTE                   HEALTHY  REQ/S  ERRORS     P50   P90   P99  LAST MINUTE
    HTTPRoute shop/reviews            1.2k    2.5%  0.40ms  12ms  1.3s                  ▁▃▅█
    `),
  )
})

test('status lists few of many endpoints, those that are not well first, and all of a service that was asked for', () => {
  const [service] = sampleStatus.services
  assert.ok(service !== undefined)
  const [first, second] = service.endpoints
  assert.ok(first !== undefined && second !== undefined)
  const many = Array.from({ length: 30 }, (_, at) => ({ ...(at === 29 ? second : first), id: `10.0.0.${at}:80` }))
  const document = { ...sampleStatus, services: [{ ...service, endpoints: many }] }
  const listed = (options: RenderOptions) =>
    renderStatus(document, options)
      .split('\n')
      .filter(line => /^ {2}(10\.0|…)/.test(line))
  const few = listed(wide)
  assert.deepEqual([few.length, few.at(-1)], [21, '  … 10 more endpoints'])
  assert.match(few[0] ?? '', /10\.0\.0\.29:80 +unhealthy/)
  assert.equal(listed({ ...wide, areAllShown: true }).length, 30)
})

test('top fits the height of the terminal', () => {
  const lines = renderTop(sampleStatus, { ...wide, height: 6 }).split('\n')
  assert.equal(lines.length, 6)
  assert.match(lines[5] ?? '', /^… \d+ more lines$/)
})

const explained: ExplainDocument = {
  method: 'GET',
  url: 'http://www.shop.example:8080/reviews/1',
  clientNamespace: null,
  isGrpc: false,
  listener: { kind: 'found', id: '127.0.0.1:8080', role: 'gateway', why: 'the Gateway listener on port 8080' },
  refused: null,
  stream: null,
  plugins: [{ key: 'WasmPlugin shop/auth', failStrategy: 'fail-closed', problem: 'auth.wasm is missing' }],
  explanation: {
    kind: 'routed',
    virtualHosts: [
      { id: 'Gateway shop/web/http', hostname: '*.shop.example', verdict: 'chosen' },
      { id: 'Gateway shop/web/any', hostname: undefined, verdict: 'less-specific' },
      { id: 'Gateway shop/web/other', hostname: 'other.example', verdict: 'host-differs' },
    ],
    virtualHost: 'Gateway shop/web/http',
    consumerNamespace: undefined,
    hostnames: [undefined],
    candidates: ['mismatch' as const, 'chosen' as const, 'outranked' as const].map((verdict, index) => ({
      hostname: undefined,
      route: {
        key: `HTTPRoute shop/r${index}`,
        kind: 'HTTPRoute',
        namespace: 'shop',
        name: `r${index}`,
        createdMs: 0,
        attachments: [],
        rules: [],
      },
      rule: {
        index,
        name: undefined,
        matches: [],
        filters: [{ kind: 'request-headers' as const, set: [{ name: 'x', value: '1' }], add: [], remove: ['y'] }],
        backends: [],
        requestTimeoutMs: 1500,
        backendRequestTimeoutMs: 0,
        retry: { attempts: 2, codes: [503], grpcCodes: [], backoffMs: 1 },
        session: undefined,
        failure: undefined,
      },
      match: { path: { kind: 'prefix' as const, value: '/reviews' }, method: undefined, headers: [], query: [] },
      verdict,
      mismatches:
        verdict === 'mismatch'
          ? [
              { part: 'header' as const, name: 'x-user', kind: 'exact' as const, expected: 'anna', actual: undefined },
              { part: 'method' as const, name: '', kind: 'exact' as const, expected: 'POST', actual: 'GET' },
            ]
          : [],
    })),
    omitted: 3,
    decision: undefined,
  },
  backends: [
    {
      key: 'shop/reviews:9080',
      weight: 9,
      invalid: null,
      policy: 'LeastRequest',
      reached: ['HTTP/2', 'TLS to reviews.shop.example'],
      endpoints: [
        { id: '127.0.0.1:9001', healthy: true, draining: false },
        { id: '127.0.0.1:9002', healthy: false, draining: false },
      ],
    },
    {
      key: 'BackendNotFound',
      weight: 1,
      invalid: 'there is no Service shop/x',
      policy: '',
      reached: [],
      endpoints: [],
    },
  ],
}

test('up tells where Gateways listen, and the ports of ListenerSets', () => {
  const { gateways } = sampleStatus
  const [web] = gateways
  assert.ok(web !== undefined)
  const set = { ...web, kind: 'ListenerSet', name: 'more', addresses: [], listeners: web.listeners }
  const shown = renderStart(
    { ...sampleStatus, gateways: [web, set] },
    'http://a',
    { socketPath: '/s' },
    choosePaint('never', { isTerminal: false, env: {} }),
  )
  assert.match(shown, /^gateway shop\/web: http:\/\/127\.0\.0\.1:8080\nlistener set shop\/more: http 8080$/m)
  // Of the two that are in force, one is a Service's own.
  assert.match(shown, /^\d+ service ports, \d+ endpoints, 1 route$/m)
})

test('explain draws the way of a request and why the others were not taken', () => {
  assert.equal(
    renderExplanation(explained, plain),
    golden(`
    GET http://www.shop.example:8080/reviews/1
    └─ listener 127.0.0.1:8080 (the Gateway listener on port 8080)
       ├─ ✓ virtual host Gateway shop/web/http for *.shop.example
       │  ├─ ✗ HTTPRoute shop/r0 rule 0: /reviews/*: header x-user is missing; method is not POST
       │  ├─ ✓ HTTPRoute shop/r1 rule 1: /reviews/*
       │  │  ├─ plugin WasmPlugin shop/auth, which does not run and lets nothing pass: auth.wasm is missing
       │  │  ├─ filter request headers: set x: 1, remove y
       │  │  ├─ timeout 1.5s
       │  │  ├─ up to 2 retries after 503
       │  │  ├─ backend shop/reviews:9080 90%, LeastRequest, HTTP/2, TLS to reviews.shop.example
       │  │  │  ├─ endpoint 127.0.0.1:9001 healthy
       │  │  │  └─ endpoint 127.0.0.1:9002 unhealthy
       │  │  └─ backend BackendNotFound 10%: there is no Service shop/x
       │  └─ … 1 further rule of lower precedence, 3 rules of other paths
       ├─ · Gateway shop/web/any: another hostname fits better
       └─ ✗ Gateway shop/web/other for other.example: the host differs
    `),
  )
})

test('explain shows no backend behind a filter that answers itself', () => {
  const { explanation } = explained
  assert.ok(explanation?.kind === 'routed')
  const answer = { kind: 'direct-response' as const, status: 418, headers: [], body: '' }
  const candidates = explanation.candidates.map(each => ({ ...each, rule: { ...each.rule, filters: [answer] } }))
  const shown = renderExplanation({ ...explained, backends: [], explanation: { ...explanation, candidates } }, plain)
  assert.match(shown, /filter direct response 418/)
  assert.doesNotMatch(shown, /500|backend/)
})

test('explain shows a few of many rules that were tried before the winner, and of those that did not fit', () => {
  const { explanation } = explained
  assert.ok(explanation?.kind === 'routed')
  const [mismatch, chosen] = explanation.candidates
  assert.ok(mismatch !== undefined && chosen !== undefined)
  const tried = Array.from({ length: 10 }, () => mismatch)
  const candidates = (list: typeof explanation.candidates, kind: 'routed' | 'no-match') =>
    renderExplanation({ ...explained, explanation: { ...explanation, kind, candidates: list } }, plain).split('\n')
  const routed = candidates([...tried, chosen], 'routed')
  assert.deepEqual(
    [routed.filter(line => line.includes('✗ HTTPRoute')).length, routed[11]?.trim(), routed[12]?.trim()],
    [8, '│  ├─ … 2 more that do not fit', '│  ├─ ✓ HTTPRoute shop/r1 rule 1: /reviews/*'],
  )
  assert.equal(
    routed.some(line => line.includes('… 3 rules of other paths')),
    true,
  )
  const none = candidates(tried, 'no-match')
  assert.deepEqual(
    none.slice(11, 13).map(line => line.trim()),
    ['│  ├─ … 5 more that do not fit', '│  └─ answer 404: no rule fits'],
  )
  const grpc = {
    ...explained,
    isGrpc: true,
    explanation: { ...explanation, kind: 'no-match' as const, candidates: [] },
  }
  assert.match(renderExplanation(grpc, plain), /answer 200 with grpc-status 12 \(unimplemented\): no rule fits/)
})

test('status shows ListenerSets after the Gateways, without addresses of their own', () => {
  const [gateway] = sampleStatus.gateways
  assert.ok(gateway !== undefined)
  const set = { ...gateway, kind: 'ListenerSet', name: 'extra', addresses: [] }
  const lines = renderStatus({ ...sampleStatus, gateways: [gateway, set] }, wide).split('\n')
  const at = lines.indexOf('ListenerSets')
  assert.ok(at > lines.indexOf('Gateways'))
  assert.match(lines[at + 1] ?? '', /^NAME +LISTENERS +CONDITIONS$/)
  assert.match(lines[at + 2] ?? '', /^shop\/extra +\S/)
  assert.equal(renderStatus(sampleStatus, wide).includes('ListenerSets'), false)
})

test('explain says where nothing listens and what is refused', () => {
  const none = { kind: 'none' as const, why: 'nothing listens for http://x:1; there is no Gateway' }
  assert.equal(
    renderExplanation({ ...explained, listener: none, explanation: null, backends: [] }, plain).split('\n')[1],
    '└─ no listener: nothing listens for http://x:1; there is no Gateway',
  )
  assert.match(
    renderExplanation({ ...explained, refused: 'a null byte', explanation: null }, plain),
    /refused: a null byte/,
  )
})

test('check sums up what it found', () => {
  const counts = { listeners: 1, routes: 2, services: 0, workloads: 1, networkPolicies: 0 }
  assert.equal(
    renderReport({ problems: sampleStatus.problems, counts }, plain).split('\n').at(-1),
    '1 error, 1 warning: 1 Gateway listener, 2 routes, 0 services, 1 workload',
  )
  assert.equal(
    renderReport({ problems: [], counts }, plain),
    'no problems: 1 Gateway listener, 2 routes, 0 services, 1 workload',
  )
  assert.match(
    renderReport({ problems: [], counts: { ...counts, networkPolicies: 2 } }, plain),
    /, 2 network policies$/,
  )
})

test('logs marks the source of a line and lets nothing move the cursor', () => {
  const line = {
    timeMs: Date.UTC(2026, 0, 1, 12, 4, 5),
    source: 'shop/a',
    stream: 'stdout' as const,
    text: 'a\u001b[2Jb\rc',
  }
  assert.equal(renderLogLine(line, plain), '12:04:05 shop/a ab�c')
  assert.equal(renderLogLine({ ...line, stream: 'access', text: 'GET /' }, plain), 'access GET /')
})

const quantities: readonly (readonly [string, string])[] = [
  [formatRate(0), '0'],
  [formatRate(0.44), '0.4'],
  [formatRate(12.4), '12'],
  [formatRate(1_500), '1.5k'],
  [formatRate(99_990), '100k'],
  [formatLatency(null), '-'],
  [formatLatency(0.0004), '0.40ms'],
  [formatLatency(0.0042), '4.2ms'],
  [formatLatency(0.042), '42ms'],
  [formatLatency(4.2), '4.2s'],
  [formatShare(0), '0%'],
  [formatShare(0.001), '0.1%'],
  [formatShare(1), '100%'],
  [formatDuration(59), '59s'],
  [formatDuration(3_665), '1h 1m'],
  [formatDuration(90_000), '1d 1h'],
  [sparkline([], 3), '   '],
  [sparkline([0, 0], 3), ' ▁▁'],
  [sparkline([9, 0, 7, 3.5], 3), '▁█▅'],
]
for (const [at, [actual, expected]] of quantities.entries()) {
  test(`quantity ${at} reads ${JSON.stringify(expected)}`, () => assert.equal(actual, expected))
}

test('cutMiddle() keeps both ends', () => {
  const cases = [
    ['abcdef', 6, 'abcdef'],
    ['abcdef', 5, 'ab…ef'],
    ['abcdef', 4, 'ab…f'],
    ['abcdef', 2, 'a…'],
    ['abcdef', 1, '…'],
    ['abcdef', 0, ''],
  ] as const
  for (const [text, width, expected] of cases) assert.equal(cutMiddle(text, width), expected)
})

test('renderTable() aligns by what is seen, not by what is painted', () => {
  const rows = [
    [{ text: 'a', paint: coloured.bad }, '10'],
    ['long', '7'],
  ]
  assert.equal(
    renderTable(['N', 'C'], rows, { paint: plain, width: undefined, right: ['C'] }),
    'N      C\n\u001b[31ma\u001b[39m     10\nlong   7',
  )
})

test('choosePaint() follows --color, the terminal and NO_COLOR', () => {
  const of = (when: string | undefined, isTerminal: boolean, env: Record<string, string> = {}) =>
    choosePaint(when, { isTerminal, env }) === coloured
  assert.equal(of(undefined, true), true)
  assert.equal(of('auto', false), false)
  assert.equal(of(undefined, true, { NO_COLOR: '1' }), false)
  assert.equal(of(undefined, true, { NO_COLOR: '' }), true)
  assert.equal(of(undefined, true, { TERM: 'dumb' }), false)
  assert.equal(of('always', false, { NO_COLOR: '1' }), true)
  assert.equal(of('never', true), false)
})

test('withoutControls() keeps tabs and line feeds', () => {
  assert.equal(withoutControls('a\tb\nc\u009bd'), 'a\tb\nc�d')
})

test('status shows virtual addresses where the terminal is wide', () => {
  const wide = renderStatus(sampleStatus, { paint: plain, width: 180 })
  assert.match(wide, /NAME +ADDRESS +VIRTUAL ADDRESSES +HEALTHY/)
  assert.match(wide, /shop\/reviews:9080 +127\.77\.1\.2:9080 +127\.77\.1\.2, fd68:6564:646c::7f01:4 +1\/4/)
  assert.match(wide, /127\.0\.0\.1:9002 +unhealthy/)
  assert.doesNotMatch(renderStatus(sampleStatus, { paint: plain, width: 159 }), /VIRTUAL ADDRESSES/)
})
