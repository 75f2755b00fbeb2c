import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { redirectLocation } from './redirect-location.ts'
import type { RedirectInput } from './redirect-location.ts'

type Filter = Parameters<typeof redirectLocation>[0]

const filter: Filter = {
  kind: 'redirect',
  scheme: undefined,
  hostname: undefined,
  path: undefined,
  port: undefined,
  status: 302,
}
const input: RedirectInput = {
  scheme: 'http',
  host: 'shop.example',
  listenerPort: 80,
  path: '/cart/1',
  query: '',
  matchedPrefix: '/cart',
}

const cases: readonly (readonly [
  name: string,
  filter: Partial<Filter>,
  input: Partial<RedirectInput>,
  location: string,
])[] = [
  ['nothing but the status', {}, {}, 'http://shop.example/cart/1'],
  ['the listener port is named', {}, { listenerPort: 8080 }, 'http://shop.example:8080/cart/1'],
  ['not the port of Host', {}, { host: 'Shop.Example:9999' }, 'http://Shop.Example/cart/1'],
  ['https on 443', {}, { scheme: 'https', listenerPort: 443 }, 'https://shop.example/cart/1'],
  ['https on another port', {}, { scheme: 'https', listenerPort: 8443 }, 'https://shop.example:8443/cart/1'],
  ['https on 80', {}, { scheme: 'https', listenerPort: 80 }, 'https://shop.example:80/cart/1'],
  ['hostname', { hostname: 'other.example' }, { listenerPort: 8080 }, 'http://other.example:8080/cart/1'],
  ['scheme brings its port', { scheme: 'https' }, { listenerPort: 8080 }, 'https://shop.example/cart/1'],
  ['the same scheme brings its port too', { scheme: 'http' }, { listenerPort: 8080 }, 'http://shop.example/cart/1'],
  ['port wins', { port: 8443, scheme: 'https' }, {}, 'https://shop.example:8443/cart/1'],
  ['port 443 with https', { port: 443, scheme: 'https' }, {}, 'https://shop.example/cart/1'],
  ['port 80 with http', { port: 80 }, { listenerPort: 8080 }, 'http://shop.example/cart/1'],
  ['port 443 with http', { port: 443 }, {}, 'http://shop.example:443/cart/1'],
  ['port 80 with https', { port: 80, scheme: 'https' }, {}, 'https://shop.example:80/cart/1'],
  ['full path keeps the query', { path: { kind: 'full', value: '/x' } }, { query: 'a=1' }, 'http://shop.example/x?a=1'],
  ['prefix', { path: { kind: 'prefix', value: '/basket' } }, {}, 'http://shop.example/basket/1'],
  ['IPv6', {}, { host: '[::1]:8080', listenerPort: 8080 }, 'http://[::1]:8080/cart/1'],
  ['IPv6 without port', {}, { host: '[::1]' }, 'http://[::1]/cart/1'],
  ['no Host', {}, { host: '', query: 'a=1' }, '/cart/1?a=1'],
  ['no Host, and a path that would name another', {}, { host: '', path: '//evil.example/x' }, '/evil.example/x'],
]

describe('redirectLocation()', () => {
  for (const [name, parts, request, location] of cases) {
    it(`${name} → ${location}`, () => {
      assert.equal(redirectLocation({ ...filter, ...parts }, { ...input, ...request }), location)
    })
  }
})
