import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import protobuf from 'protobufjs'
import { encodeCheckRequest, type CheckRequest } from './check-request.ts'
import { decodeCheckResponse } from './check-response.ts'

// Another implementation of protocol buffers, told of the messages by their published field numbers.
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Timestamp { int64 seconds = 1; int32 nanos = 2; }
  message SocketAddress { string address = 2; uint32 port_value = 3; }
  message Address { SocketAddress socket_address = 1; }
  message Peer { Address address = 1; string service = 2; string principal = 4; }
  message Http {
    string id = 1; string method = 2; map<string, string> headers = 3; string path = 4; string host = 5;
    string scheme = 6; int64 size = 9; string protocol = 10; string body = 11; bytes raw_body = 12;
  }
  message Request { Timestamp time = 1; Http http = 2; }
  message Attributes { Peer source = 1; Peer destination = 2; Request request = 4; }
  message CheckRequest { Attributes attributes = 1; }
  message Status { int32 code = 1; string message = 2; }
  message HttpStatus { int32 code = 1; }
  message BoolValue { bool value = 1; }
  message HeaderValue { string key = 1; string value = 2; bytes raw_value = 3; }
  message HeaderOption { HeaderValue header = 1; BoolValue append = 2; int32 append_action = 3; }
  message Query { string key = 1; string value = 2; }
  message Denied { HttpStatus status = 1; repeated HeaderOption headers = 2; string body = 3; }
  message Ok {
    repeated HeaderOption headers = 2; repeated string headers_to_remove = 5;
    repeated HeaderOption response_headers_to_add = 6; repeated Query query_parameters_to_set = 7;
    repeated string query_parameters_to_remove = 8;
  }
  message CheckResponse { Status status = 1; Denied denied_response = 2; Ok ok_response = 3; Ok unknown = 99; }
`)

const requestType = root.lookupType('CheckRequest')
const responseType = root.lookupType('CheckResponse')

function request(changes: Partial<CheckRequest> = {}): CheckRequest {
  return {
    timeMs: 1_700_000_000_250,
    source: { address: '10.0.0.9', port: 40_000, service: 'web', principal: 'spiffe://mesh/ns/shop/sa/web' },
    destination: { address: '10.0.0.1', port: 80, service: '', principal: '' },
    id: 'id-1',
    method: 'POST',
    scheme: 'https',
    host: 'shop.example',
    path: '/cart?a=1',
    protocol: 'HTTP/1.1',
    headers: new Map([
      ['x-user', 'anna'],
      ['x-name', 'Zoë'],
    ]),
    size: 3,
    body: Buffer.from('abc'),
    ...changes,
  }
}

function decoded(changes: Partial<CheckRequest> = {}): Record<string, never> {
  const message = requestType.decode(encodeCheckRequest(request(changes)))
  return requestType.toObject(message, { longs: Number, bytes: String }) as Record<string, never>
}

function encoded(value: Record<string, unknown>): Uint8Array {
  return responseType.encode(responseType.fromObject(value)).finish()
}

describe('encodeCheckRequest()', () => {
  test('writes what another implementation reads', () => {
    assert.deepEqual(decoded(), {
      attributes: {
        source: {
          address: { socketAddress: { address: '10.0.0.9', portValue: 40_000 } },
          service: 'web',
          principal: 'spiffe://mesh/ns/shop/sa/web',
        },
        destination: { address: { socketAddress: { address: '10.0.0.1', portValue: 80 } } },
        request: {
          time: { seconds: 1_700_000_000, nanos: 250_000_000 },
          http: {
            id: 'id-1',
            method: 'POST',
            headers: {
              ':authority': 'shop.example',
              ':method': 'POST',
              ':path': '/cart?a=1',
              ':scheme': 'https',
              'x-user': 'anna',
              'x-name': 'Zoë',
            },
            path: '/cart?a=1',
            host: 'shop.example',
            scheme: 'https',
            size: 3,
            protocol: 'HTTP/1.1',
            body: 'abc',
          },
        },
      },
    })
  })

  test('writes a body that is no text as bytes, and an unknown size as -1', () => {
    const { http } = (decoded({ body: Buffer.from([0xff, 0x00]), size: -1 })['attributes'] as never)['request'] as never
    assert.equal(http['body'], undefined)
    assert.equal(http['rawBody'], '/wA=')
    assert.equal(http['size'], -1)
  })
})

const option = (key: string, value: string, more: object = {}): object => ({ header: { key, value }, ...more })

describe('decodeCheckResponse()', () => {
  test('reads a consent that another implementation wrote', () => {
    const response = decodeCheckResponse(
      encoded({
        status: { code: 0 },
        okResponse: {
          headers: [option('x-user', 'anna'), option('x-group', 'a', { append: { value: true } })],
          headersToRemove: ['authorization'],
          responseHeadersToAdd: [option('x-a', '1', { appendAction: 2 }), option('x-b', '2', { append: {} })],
        },
        unknown: { headersToRemove: ['x'] },
      }),
    )
    assert.deepEqual(response, {
      code: 0,
      message: '',
      requestHeaders: [
        { name: 'x-user', value: 'anna', append: undefined, action: 0 },
        { name: 'x-group', value: 'a', append: true, action: 0 },
      ],
      headersToRemove: ['authorization'],
      responseHeaders: [
        { name: 'x-a', value: '1', append: undefined, action: 2 },
        { name: 'x-b', value: '2', append: false, action: 0 },
      ],
      changesQuery: false,
      deniedStatus: 0,
      deniedHeaders: [],
      deniedBody: '',
    })
  })

  test('reads a refusal', () => {
    const response = decodeCheckResponse(
      encoded({
        status: { code: 16, message: 'no token' },
        deniedResponse: { status: { code: 401 }, headers: [option('www-authenticate', 'Bearer')], body: 'sign in' },
      }),
    )
    assert.equal(response?.code, 16)
    assert.equal(response.message, 'no token')
    assert.equal(response.deniedStatus, 401)
    assert.deepEqual(response.deniedHeaders, [
      { name: 'www-authenticate', value: 'Bearer', append: undefined, action: 0 },
    ])
    assert.equal(response.deniedBody, 'sign in')
  })

  test('reads raw values and wishes about the query', () => {
    const raw = { header: { key: 'x-raw', rawValue: Buffer.from('b') } }
    const response = decodeCheckResponse(encoded({ okResponse: { headers: [raw], queryParametersToRemove: ['a'] } }))
    assert.equal(response?.requestHeaders[0]?.value, 'b')
    assert.equal(response.changesQuery, true)
  })

  test('an empty message is a consent: code 0 is what an absent status means', () => {
    assert.equal(decodeCheckResponse(new Uint8Array(0))?.code, 0)
  })

  test('gives nothing for bytes that are cut off', () => {
    const whole = encoded({ status: { code: 7, message: 'no' }, deniedResponse: { body: 'x' } })
    const last = whole.length - 3
    for (let end = 0; end < whole.length; end++) {
      const response = decodeCheckResponse(whole.subarray(0, end))
      // A cut between two fields cannot be seen here; gRPC's own length shows it.
      if (response !== undefined) assert.ok(end === 0 || end >= last - 2, String(end))
    }
    assert.equal(decodeCheckResponse(Buffer.from('0a0580', 'hex')), undefined)
  })
})
