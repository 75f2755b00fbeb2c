import type { Ask, Expected, ExpectedParts, RouteSketch } from '../support/gateway.ts'

// Rules, requests and answers that hold for Gateways and for the mesh alike. All
// Services are of namespace infra; the tests are those of the suite, by name.

/** `GatewayBed.put` knows the port. */
export const to = (service: string): string => `backendRefs: [{name: ${service}, port: SERVICE_PORT}]`

const [v1, v2, v3] = ['infra/v1', 'infra/v2', 'infra/v3'] as const

export interface MatchingCase {
  readonly test: string
  readonly routes: Readonly<Record<string, Omit<RouteSketch, 'parents'>>>
  readonly rows: readonly (readonly [Ask, Expected])[]
}

export const exact = (value: string): string => `path: {type: Exact, value: ${value}}`
export const prefix = (value: string): string => `path: {type: PathPrefix, value: ${value}}`
const header = (name: string, value: string): string => `{name: ${name}, value: ${value}}`
const at = (where: string, headers: Record<string, string>): Ask => ({ at: where, headers })

export const matchingCases: readonly MatchingCase[] = [
  {
    test: 'HTTPRouteSimpleSameNamespace',
    routes: { simple: { rules: [to('v1')] } },
    rows: [
      ['/', { by: v1, path: '/', host: 'example.net', method: 'GET' }],
      ['POST any.example/a/b?c=d', { by: v1, path: '/a/b?c=d', host: 'any.example', method: 'POST' }],
    ],
  },
  {
    test: 'HTTPRouteExactPathMatching',
    routes: {
      exact: {
        rules: [`matches: [{${exact('/one')}}], ${to('v1')}`, `matches: [{${exact('/two')}}], ${to('v2')}`],
      },
    },
    rows: [
      ['/one', v1],
      ['/one?two', v1],
      ['/two', v2],
      ['/', 404],
      ['/one/', 404],
      ['/one/example', 404],
      ['/two/', 404],
      ['/Two', 404],
      ['/oneone', 404],
    ],
  },
  {
    test: 'HTTPRouteHeaderMatching',
    routes: {
      headers: {
        rules: [
          `matches: [{headers: [${header('version', 'one')}]}, {headers: [${header('Color', 'orange')}]}], ${to('v1')}`,
          `matches: [{headers: [${header('version', 'two')}]}, {headers: [${header('Version', 'two')}, ${header('color', 'blue')}]}, {headers: [${header('color', 'blue')}]}], ${to('v1')}`,
          `matches: [{headers: [${header('color', 'red')}, ${header('version', 'three')}]}, {headers: [${header('color', 'green')}]}], ${to('v2')}`,
          `matches: [{headers: [{type: RegularExpression, name: color, value: 'pu[a-z]+e'}]}], ${to('v3')}`,
        ],
      },
    },
    rows: [
      [at('/', { version: 'one' }), v1],
      [at('/', { VERSION: 'one' }), v1],
      [at('/', { color: 'orange' }), v1],
      [at('/', { version: 'two' }), v1],
      [at('/', { version: 'two', color: 'orange' }), v1],
      [at('/', { color: 'blue' }), v1],
      [at('/', { color: 'red', version: 'three' }), v2],
      [at('/', { color: 'green' }), v2],
      [at('/', { color: 'purple' }), v3],
      [at('/', { color: 'red' }), 404],
      [at('/', { version: 'orange' }), 404],
      [at('/', { version: 'ONE' }), 404],
      [at('/', { color: 'purplest' }), 404],
      [at('/', { color: '' }), 404],
      ['/', 404],
    ],
  },
  {
    test: 'HTTPRouteMethodMatching',
    routes: {
      methods: {
        rules: [
          `matches: [{method: POST}], ${to('v1')}`,
          `matches: [{method: GET}], ${to('v2')}`,
          `matches: [{${prefix('/path1')}, method: GET}], ${to('v1')}`,
          `matches: [{headers: [${header('version', 'one')}], method: PUT}], ${to('v2')}`,
          `matches: [{${prefix('/path2')}, headers: [${header('version', 'two')}], method: POST}], ${to('v3')}`,
          `matches: [{${prefix('/path3')}, method: PATCH}, {${prefix('/path4')}, headers: [${header('version', 'three')}], method: DELETE}], ${to('v1')}`,
          `matches: [{${prefix('/path5')}}], ${to('v1')}`,
          `matches: [{method: PATCH}], ${to('v2')}`,
          `matches: [{headers: [${header('version', 'four')}]}], ${to('v3')}`,
        ],
      },
    },
    rows: [
      ['POST /', v1],
      ['GET /', v2],
      ['HEAD /', 404],
      ['GET /path1', v1],
      [at('PUT /', { version: 'one' }), v2],
      [at('POST /path2', { version: 'two' }), v3],
      ['PATCH /path3', v1],
      [at('DELETE /path4', { version: 'three' }), v1],
      // Precedence: the longer path, then the method, then headers.
      ['PATCH /path5', v1],
      [at('PATCH /', { version: 'four' }), v2],
      [at('OPTIONS /', { version: 'four' }), v3],
      ['PUT /', 404],
      ['DELETE /path4', 404],
    ],
  },
  {
    test: 'HTTPRouteQueryParamMatching',
    routes: {
      queries: {
        rules: [
          `matches: [{queryParams: [${header('animal', 'whale')}]}], ${to('v1')}`,
          `matches: [{queryParams: [${header('animal', 'dolphin')}]}], ${to('v2')}`,
          `matches: [{queryParams: [${header('animal', 'dolphin')}, ${header('color', 'blue')}]}, {queryParams: [${header('ANIMAL', 'Whale')}]}], ${to('v3')}`,
          `matches: [{${prefix('/path1')}, queryParams: [${header('animal', 'whale')}]}], ${to('v1')}`,
          `matches: [{headers: [${header('version', 'one')}], queryParams: [${header('animal', 'whale')}]}], ${to('v2')}`,
          `matches: [{${prefix('/path3')}, queryParams: [${header('animal', 'shark')}]}, {${prefix('/path4')}, headers: [${header('version', 'three')}], queryParams: [${header('animal', 'kraken')}]}], ${to('v1')}`,
          `matches: [{${prefix('/path5')}}], ${to('v1')}`,
          `matches: [{queryParams: [${header('animal', 'hydra')}]}], ${to('v3')}`,
        ],
      },
    },
    rows: [
      ['/?animal=whale', v1],
      ['/?animal=dolphin', v2],
      ['/?animal=whale&otherparam=irrelevant', v1],
      ['/?animal=dolphin&color=yellow', v2],
      ['/?animal=dolphin&color=blue', v3],
      ['/?color=blue&animal=dolphin', v3],
      ['/?ANIMAL=Whale', v3],
      ['/?Animal=whale', 404],
      ['/?animal=Whale', 404],
      ['/?animal=whale&animal=dolphin', v1],
      ['/?animal=dolphin&animal=whale', v2],
      ['/?color=blue', 404],
      ['/?animal=dog', 404],
      ['/?animal=whaledolphin', 404],
      ['/', 404],
      ['/path1?animal=whale', v1],
      [at('/?animal=whale', { version: 'one' }), v2],
      ['/path3?animal=shark', v1],
      [at('/path4?animal=kraken', { version: 'three' }), v1],
      ['/?animal=shark', 404],
      ['/path4?animal=kraken', 404],
      ['/path5?animal=hydra', v1],
      ['/?animal=hydra', v3],
    ],
  },
  {
    test: 'HTTPRouteMatching',
    routes: {
      matching: {
        rules: [
          `matches: [{${prefix('/')}}, {headers: [${header('version', 'one')}]}], ${to('v1')}`,
          `matches: [{${prefix('/v2')}}, {headers: [${header('version', 'two')}]}], ${to('v2')}`,
          `matches: [{${prefix('/v2/')}, headers: [${header('version', 'both')}]}], ${to('v3')}`,
        ],
      },
    },
    rows: [
      ['/', v1],
      ['/example', v1],
      [at('/', { version: 'one' }), v1],
      ['/v2', v2],
      ['/v2/example', v2],
      ['/v2/', v2],
      [at('/', { version: 'two' }), v2],
      [at('/v2', { version: 'one' }), v2],
      [at('/v2', { version: 'both' }), v3],
      ['/v2example', v1],
      ['/foo/v2/example', v1],
      ['/V2', v1],
    ],
  },
  {
    test: 'HTTPRoutePathMatchOrder',
    routes: {
      // Written the wrong way round on purpose.
      order: {
        rules: [
          `matches: [{${prefix('/match')}}], ${to('v2')}`,
          `matches: [{${prefix('/match/prefix')}}], ${to('v1')}`,
          `matches: [{${prefix('/match/prefix/one')}}], ${to('v2')}`,
          `matches: [{${prefix('/match/prefix/one/any')}}], ${to('v3')}`,
          `matches: [{${exact('/match/exact')}}], ${to('v1')}`,
          `matches: [{${exact('/match/exact/one')}}], ${to('v3')}`,
          `matches: [{${exact('/match/prefix/one/any/time')}}], ${to('v2')}`,
          `matches: [{${exact('/match')}}], ${to('v3')}`,
        ],
      },
    },
    rows: [
      ['/match/exact/one', v3],
      ['/match/exact', v1],
      ['/match', v3],
      ['/match/', v2],
      ['/match/prefix/one/any', v3],
      ['/match/prefix/one/any/time', v2],
      ['/match/prefix/one/any/time/else', v3],
      ['/match/prefix/any', v1],
      ['/match/any', v2],
      ['/matching', 404],
    ],
  },
  {
    test: 'HTTPRouteMatchingAcrossRoutes',
    routes: {
      'part-one': {
        hostnames: ['example.com', 'example.net'],
        rules: [`matches: [{${prefix('/')}}, {headers: [${header('version', 'one')}]}], ${to('v1')}`],
      },
      'part-two': {
        hostnames: ['example.com'],
        rules: [`matches: [{${prefix('/v2')}}, {headers: [${header('version', 'two')}]}], ${to('v2')}`],
      },
    },
    rows: [
      ['example.com/', v1],
      ['example.com/example', v1],
      ['example.net/example', v1],
      [at('example.com/example', { version: 'one' }), v1],
      ['example.com/v2', v2],
      ['example.com/v2/', v2],
      ['example.com/v2/example', v2],
      [at('example.com/', { version: 'two' }), v2],
      // Only the first route has this host.
      ['example.net/v2', v1],
      [at('example.net/', { version: 'two' }), v1],
      ['example.com/v2example', v1],
      ['example.com/foo/v2/example', v1],
      ['example.org/', 404],
    ],
  },
]

export const under = (path: string): string => `matches: [{path: {type: PathPrefix, value: ${path}}}]`
export const filters = (...list: string[]): string => `filters: [${list.join(', ')}]`
export const redirect = (more: string): string => `{type: RequestRedirect, requestRedirect: {${more}}}`
export const rewrite = (more: string): string => `{type: URLRewrite, urlRewrite: {${more}}}`
export const requestHeaders = (more: string): string =>
  `{type: RequestHeaderModifier, requestHeaderModifier: {${more}}}`
export const responseHeaders = (more: string): string =>
  `{type: ResponseHeaderModifier, responseHeaderModifier: {${more}}}`
export const replacePrefix = (value: string): string => `path: {type: ReplacePrefixMatch, replacePrefixMatch: ${value}}`
export const replacePath = (value: string): string => `path: {type: ReplaceFullPath, replaceFullPath: ${value}}`
export const location = (value: string, status = 302): ExpectedParts => ({ status, response: { location: value } })

export interface FilterCase {
  readonly test: string
  readonly rules: readonly string[]
  readonly rows: (port: number) => readonly (readonly [Ask, Expected])[]
}

export const headerEdits: string = `set: [{name: X-Header-Set, value: set-overwrites}], add: [{name: X-Header-Add, value: add}, {name: X-Header-Append, value: more}], remove: [X-Header-Remove, x-absent]`

export const redirects: readonly FilterCase[] = [
  {
    test: 'HTTPRouteRedirectHostAndStatus',
    rules: [
      `${under('/host')}, ${filters(redirect('hostname: example.org'))}`,
      `${under('/host-and-status')}, ${filters(redirect('hostname: example.org, statusCode: 301'))}`,
    ],
    rows: port => [
      ['/host', location(`http://example.org:${port}/host`)],
      ['/host/deep?q=1', location(`http://example.org:${port}/host/deep?q=1`)],
      ['POST example.com/host-and-status', location(`http://example.org:${port}/host-and-status`, 301)],
    ],
  },
  {
    test: 'HTTPRouteRedirectPath',
    rules: [
      `${under('/original-prefix')}, ${filters(redirect(replacePrefix('/replacement-prefix')))}`,
      `${under('/full')}, ${filters(redirect(replacePath('/full-path-replacement')))}`,
      `${under('/path-and-host')}, ${filters(redirect(`hostname: example.org, ${replacePrefix('/replacement-prefix')}`))}`,
      `${under('/path-and-status')}, ${filters(redirect(`statusCode: 301, ${replacePrefix('/replacement-prefix')}`))}`,
      `${under('/full-path-and-host')}, ${filters(redirect(`hostname: example.org, ${replacePath('/replacement-full')}`))}`,
      `${under('/full-path-and-status')}, ${filters(redirect(`statusCode: 301, ${replacePath('/replacement-full')}`))}`,
      `${under('/strip')}, ${filters(redirect(replacePrefix('/')))}`,
    ],
    rows: port => [
      ['/original-prefix/lemon', location(`http://example.net:${port}/replacement-prefix/lemon`)],
      ['/original-prefix', location(`http://example.net:${port}/replacement-prefix`)],
      ['/original-prefix/', location(`http://example.net:${port}/replacement-prefix/`)],
      ['/original-prefix/a?b=c', location(`http://example.net:${port}/replacement-prefix/a?b=c`)],
      ['/full/path/original', location(`http://example.net:${port}/full-path-replacement`)],
      ['/path-and-host', location(`http://example.org:${port}/replacement-prefix`)],
      ['/path-and-status', location(`http://example.net:${port}/replacement-prefix`, 301)],
      ['/full-path-and-host', location(`http://example.org:${port}/replacement-full`)],
      ['/full-path-and-status', location(`http://example.net:${port}/replacement-full`, 301)],
      ['/strip/three', location(`http://example.net:${port}/three`)],
      ['/strip', location(`http://example.net:${port}/`)],
    ],
  },
  {
    test: 'HTTPRouteRedirectPort',
    rules: [
      `${under('/port')}, ${filters(redirect('port: 8083'))}`,
      `${under('/port-and-host')}, ${filters(redirect('port: 8083, hostname: example.org'))}`,
      `${under('/port-and-status')}, ${filters(redirect('port: 8083, statusCode: 301'))}`,
      `${under('/port-and-host-and-status')}, ${filters(redirect('port: 8083, hostname: example.org, statusCode: 302'))}`,
    ],
    rows: () => [
      ['/port', location('http://example.net:8083/port')],
      ['example.net:4321/port', location('http://example.net:8083/port')],
      ['/port-and-host', location('http://example.org:8083/port-and-host')],
      ['/port-and-status', location('http://example.net:8083/port-and-status', 301)],
      ['/port-and-host-and-status', location('http://example.org:8083/port-and-host-and-status')],
    ],
  },
  {
    test: 'HTTPRouteRedirectScheme',
    rules: [
      `${under('/scheme')}, ${filters(redirect('scheme: https'))}`,
      `${under('/scheme-and-host')}, ${filters(redirect('scheme: https, hostname: example.org'))}`,
      `${under('/scheme-and-status')}, ${filters(redirect('scheme: https, statusCode: 301'))}`,
      `${under('/scheme-and-host-and-status')}, ${filters(redirect('scheme: https, hostname: example.org, statusCode: 302'))}`,
    ],
    rows: () => [
      ['/scheme', location('https://example.net/scheme')],
      ['/scheme-and-host', location('https://example.org/scheme-and-host')],
      ['/scheme-and-status', location('https://example.net/scheme-and-status', 301)],
      ['/scheme-and-host-and-status', location('https://example.org/scheme-and-host-and-status')],
    ],
  },
  ...[303, 307, 308].map((status): FilterCase => ({
    test: `HTTPRoute${status}Redirect`,
    rules: [`${under('/moved')}, ${filters(redirect(`statusCode: ${status}`))}`],
    rows: port => [
      ['/moved', location(`http://example.net:${port}/moved`, status)],
      [{ at: 'POST /moved/on', body: 'x'.repeat(1000) }, location(`http://example.net:${port}/moved/on`, status)],
    ],
  })),
]

export const modifications: readonly FilterCase[] = [
  {
    test: 'HTTPRouteRewriteHost',
    rules: [
      `${under('/one')}, ${filters(rewrite('hostname: one.example.org'))}, ${to('v1')}`,
      `${under('/two')}, ${filters(rewrite('hostname: two.example.org'), requestHeaders(headerEdits))}, ${to('v2')}`,
    ],
    rows: () => [
      ['rewrite.example/one', { by: v1, host: 'one.example.org', request: { 'x-forwarded-host': 'rewrite.example' } }],
      ['rewrite.example:99/two', { by: v2, host: 'two.example.org', request: { 'x-header-add': 'add' } }],
    ],
  },
  {
    test: 'HTTPRouteRewritePath',
    rules: [
      `${under('/prefix/one')}, ${filters(rewrite(replacePrefix('/one')))}, ${to('v1')}`,
      `${under('/strip-prefix')}, ${filters(rewrite(replacePrefix('/')))}, ${to('v1')}`,
      `${under('/empty-prefix/')}, ${filters(rewrite(replacePrefix("''")))}, ${to('v1')}`,
      `${under('/slashes/')}, ${filters(rewrite(replacePrefix('/xyz/')))}, ${to('v1')}`,
      `${under('/full/one')}, ${filters(rewrite(replacePath('/one')))}, ${to('v1')}`,
      `${under('/full/rewrite-path-and-modify-headers')}, ${filters(rewrite(replacePath('/test')), requestHeaders(headerEdits))}, ${to('v1')}`,
      `${under('/prefix/rewrite-path-and-modify-headers')}, ${filters(rewrite(replacePrefix('/prefix')), requestHeaders(headerEdits))}, ${to('v1')}`,
    ],
    rows: () => [
      ['/prefix/one/two', { by: v1, path: '/one/two' }],
      ['/prefix/one/two?three=four', { by: v1, path: '/one/two?three=four' }],
      ['/strip-prefix/three', { by: v1, path: '/three' }],
      ['/strip-prefix', { by: v1, path: '/' }],
      ['/strip-prefix/', { by: v1, path: '/' }],
      ['/empty-prefix', { by: v1, path: '/' }],
      ['/empty-prefix/bar', { by: v1, path: '/bar' }],
      ['/slashes/bar', { by: v1, path: '/xyz/bar' }],
      ['/slashes', { by: v1, path: '/xyz' }],
      ['/full/one/two?three=four', { by: v1, path: '/one?three=four' }],
      [
        {
          at: '/full/rewrite-path-and-modify-headers/test',
          headers: { 'X-Header-Remove': 'x', 'X-Header-Append': 'one', 'X-Header-Set': 'x' },
        },
        {
          by: v1,
          path: '/test',
          request: {
            'x-header-add': 'add',
            'x-header-append': 'one,more',
            'x-header-set': 'set-overwrites',
            'x-header-remove': null,
          },
        },
      ],
      [
        '/prefix/rewrite-path-and-modify-headers/one',
        { by: v1, path: '/prefix/one', request: { 'x-header-append': 'more' } },
      ],
    ],
  },
  {
    test: 'HTTPRouteRequestHeaderModifier',
    rules: [
      `${under('/set')}, ${filters(requestHeaders('set: [{name: X-Header-Set, value: set-overwrites}]'))}, ${to('v1')}`,
      `${under('/add')}, ${filters(requestHeaders('add: [{name: X-Header-Add, value: added}]'))}, ${to('v1')}`,
      `${under('/remove')}, ${filters(requestHeaders('remove: [X-Header-Remove]'))}, ${to('v1')}`,
      `${under('/multiple')}, ${filters(
        requestHeaders(
          'set: [{name: X-Set-1, value: one}, {name: X-Set-2, value: two}], add: [{name: X-Add-1, value: one}, {name: X-Add-2, value: two}, {name: X-Add-3, value: three}], remove: [X-Remove-1, X-Remove-2]',
        ),
      )}, ${to('v1')}`,
      `${under('/case')}, ${filters(
        requestHeaders(
          'set: [{name: x-set, value: Set}], add: [{name: x-lower-add, value: lower}, {name: X-MIXED-Add, value: mixed}], remove: [x-lower-REMOVE]',
        ),
      )}, ${to('v2')}`,
    ],
    rows: () => [
      [
        { at: '/set', headers: { 'Some-Other': 'val' } },
        { by: v1, request: { 'some-other': 'val', 'x-header-set': 'set-overwrites' } },
      ],
      [
        { at: '/set', headers: { 'X-Header-Set': 'original' } },
        { by: v1, request: { 'x-header-set': 'set-overwrites' } },
      ],
      [
        { at: '/add', headers: { 'Some-Other': 'val' } },
        { by: v1, request: { 'some-other': 'val', 'x-header-add': 'added' } },
      ],
      [
        { at: '/add', headers: { 'X-Header-Add': 'original' } },
        { by: v1, request: { 'x-header-add': 'original,added' } },
      ],
      [
        { at: '/remove', headers: { 'X-Header-Remove': 'val' } },
        { by: v1, request: { 'x-header-remove': null } },
      ],
      [
        {
          at: '/multiple',
          headers: { 'X-Set-2': 'old', 'X-Add-2': 'old', 'X-Remove-2': 'old', Another: 'one' },
        },
        {
          by: v1,
          request: {
            'x-set-1': 'one',
            'x-set-2': 'two',
            'x-add-1': 'one',
            'x-add-2': 'old,two',
            'x-add-3': 'three',
            'x-remove-1': null,
            'x-remove-2': null,
            another: 'one',
          },
        },
      ],
      [
        {
          at: '/case',
          headers: { 'X-SET': 'old', 'X-Lower-ADD': 'old', 'x-mixed-add': 'old', 'X-Lower-Remove': 'old' },
        },
        {
          by: v2,
          request: { 'x-set': 'Set', 'x-lower-add': 'old,lower', 'x-mixed-add': 'old,mixed', 'x-lower-remove': null },
        },
      ],
    ],
  },
  {
    test: 'HTTPRouteResponseHeaderModifier',
    rules: [
      `${under('/set')}, ${filters(responseHeaders('set: [{name: X-Header-Set, value: set-overwrites}]'))}, ${to('v1')}`,
      `${under('/add')}, ${filters(responseHeaders('add: [{name: X-Header-Add, value: added}]'))}, ${to('v1')}`,
      `${under('/remove')}, ${filters(responseHeaders('remove: [X-Header-Remove]'))}, ${to('v1')}`,
      `${under('/multiple')}, ${filters(
        responseHeaders(
          'set: [{name: X-Set, value: set}], add: [{name: X-ADD, value: two}], remove: [x-remove-1, X-Remove-2]',
        ),
      )}, ${to('v1')}`,
      `${under('/ref')}, backendRefs: [{name: v1, port: SERVICE_PORT, filters: [${responseHeaders('set: [{name: X-From, value: backend}]')}]}]`,
    ],
    rows: () => [
      ['/set', { by: v1, response: { 'x-header-set': 'set-overwrites' } }],
      [
        '/set?set=x-header-set:old&set=other:val',
        { by: v1, response: { 'x-header-set': 'set-overwrites', other: 'val' } },
      ],
      ['/add', { by: v1, response: { 'x-header-add': 'added' } }],
      ['/add?set=x-header-add:old', { by: v1, response: { 'x-header-add': 'old,added' } }],
      [
        '/remove?set=x-header-remove:old&set=other:val',
        { by: v1, response: { 'x-header-remove': null, other: 'val' } },
      ],
      [
        '/multiple?set=x-set:old&set=x-add:one&set=x-remove-1:old&set=x-remove-2:old&set=x-keep:kept',
        {
          by: v1,
          response: { 'x-set': 'set', 'x-add': 'one,two', 'x-remove-1': null, 'x-remove-2': null, 'x-keep': 'kept' },
        },
      ],
      ['/ref?set=x-from:pod', { by: v1, response: { 'x-from': 'backend' } }],
      ['/multiple?status=503', { by: v1, status: 503, response: { 'x-set': 'set' } }],
    ],
  },
  {
    test: 'HTTPRouteBackendRequestHeaderModifier',
    rules: [
      `${under('/set')}, backendRefs: [{name: v1, port: SERVICE_PORT, filters: [${requestHeaders('set: [{name: X-Header-Set, value: set-overwrites}]')}]}]`,
      `${under('/add')}, backendRefs: [{name: v1, port: SERVICE_PORT, filters: [${requestHeaders('add: [{name: X-Header-Add, value: added}]')}]}]`,
      `${under('/remove')}, backendRefs: [{name: v1, port: SERVICE_PORT, filters: [${requestHeaders('remove: [X-Header-Remove]')}]}]`,
      `${under('/both')}, ${filters(requestHeaders('set: [{name: X-Rule, value: rule}, {name: X-Both, value: rule}]'))}, backendRefs: [{name: v2, port: SERVICE_PORT, filters: [${requestHeaders('set: [{name: X-Ref, value: ref}, {name: X-Both, value: ref}]')}]}]`,
    ],
    rows: () => [
      [
        { at: '/set', headers: { 'X-Header-Set': 'old' } },
        { by: v1, request: { 'x-header-set': 'set-overwrites' } },
      ],
      [
        { at: '/add', headers: { 'X-Header-Add': 'old' } },
        { by: v1, request: { 'x-header-add': 'old,added' } },
      ],
      [
        { at: '/remove', headers: { 'X-Header-Remove': 'old' } },
        { by: v1, request: { 'x-header-remove': null } },
      ],
      [
        { at: '/both', headers: { 'X-Both': 'client' } },
        { by: v2, request: { 'x-rule': 'rule', 'x-ref': 'ref', 'x-both': 'ref' } },
      ],
    ],
  },
]
