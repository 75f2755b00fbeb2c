import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createEntry, framings, grpcForms, HeaderList, HeadParser, defaultHeadLimits } from '../../codec/index.ts'
import { AnswerHead } from '../upstream/answer-head.ts'
import {
  grpcFormOfRequest,
  grpcStatusOfHead,
  grpcStatusOfTrailers,
  grpcTimeoutOf,
  noGrpcStatus,
  passGrpcTimeout,
} from './grpc-call.ts'
import { Http1Request } from './http1-request.ts'
import { Http2Request } from './http2-request.ts'

function listOf(fields: Readonly<Record<string, string>>): HeaderList {
  const list = new HeaderList()
  for (const [name, value] of Object.entries(fields)) list.add(createEntry(name, value))
  return list
}

function byHttp2(fields: Readonly<Record<string, string>>, method = 'POST'): Http2Request {
  const head = { ':method': method, ':scheme': 'http', ':path': '/a.B/C', ':authority': 'a' }
  return new Http2Request().bind(listOf({ ...head, ...fields }), false)
}

function byHttp1(lines: string, method = 'POST'): Http1Request {
  const bytes = Buffer.from(`${method} /a.B/C HTTP/1.1\r\nhost: a\r\n${lines}\r\n`, 'latin1')
  const parser = new HeadParser('request', defaultHeadLimits)
  parser.parse(bytes, 0, bytes.length)
  return new Http1Request().bind(parser, bytes, 0)
}

suite('grpcFormOfRequest()', () => {
  const types: readonly (readonly [string, number])[] = [
    ['application/grpc', grpcForms.grpc],
    ['Application/GRPC+proto', grpcForms.grpc],
    ['application/grpc-web', grpcForms.web],
    ['application/grpc-web-text+proto', grpcForms.webText],
    ['application/graphql', grpcForms.none],
    ['application/json', grpcForms.none],
    ['text/plain', grpcForms.none],
    ['g', grpcForms.none],
  ]
  for (const [type, form] of types) {
    test(`a POST of ${type} has form ${form}`, () => {
      assert.equal(grpcFormOfRequest(byHttp2({ 'content-type': type })), form)
      assert.equal(grpcFormOfRequest(byHttp1(`content-type: ${type}\r\n`)), form)
    })
  }

  test('neither a request without a type nor a GET is a call', () => {
    assert.equal(grpcFormOfRequest(byHttp2({})), grpcForms.none)
    assert.equal(grpcFormOfRequest(byHttp1('')), grpcForms.none)
    assert.equal(grpcFormOfRequest(byHttp2({ 'content-type': 'application/grpc' }, 'GET')), grpcForms.none)
    assert.equal(grpcFormOfRequest(byHttp1('content-type: application/grpc\r\n', 'GET')), grpcForms.none)
  })
})

suite('the time of a call', () => {
  test('is what the client says, or endless', () => {
    assert.equal(grpcTimeoutOf(byHttp2({ 'grpc-timeout': '2S' })), 2_000)
    assert.equal(grpcTimeoutOf(byHttp1('grpc-timeout: 7m\r\n')), 7)
    assert.equal(grpcTimeoutOf(byHttp2({ 'grpc-timeout': 'soon' })), Infinity)
    assert.equal(grpcTimeoutOf(byHttp2({})), Infinity)
  })

  const passed: readonly (readonly [string | undefined, number, string])[] = [
    [undefined, 500, '500m'],
    ['1S', 500, '500m'],
    ['1S', 1_000, '1S'],
    ['1500u', 2, '1500u'],
    ['100u', 0.4, '100u'],
    ['1S', -3, '1m'],
    ['rubbish', 20, '20m'],
    ['99999999H', 3_600_000, '3600000m'],
  ]
  for (const [sent, leftMs, told] of passed) {
    test(`of ${sent} with ${leftMs} ms left the endpoint is told ${told}`, () => {
      const list = listOf({ ':method': 'POST', ...(sent === undefined ? {} : { 'grpc-timeout': sent }) })
      passGrpcTimeout(list, leftMs)
      assert.equal(list.value('grpc-timeout'), told)
      assert.equal(list.length, 2)
    })
  }
})

suite('the status of a call', () => {
  const heads: readonly (readonly [string, Readonly<Record<string, string>>, number, number])[] = [
    ['trailers alone', { ':status': '200', 'grpc-status': '14' }, framings.none, 14],
    ['a head with messages behind it', { ':status': '200', 'grpc-status': '14' }, framings.untilClose, noGrpcStatus],
    ['a head without a status', { ':status': '200' }, framings.untilClose, noGrpcStatus],
    ['a status that is no number', { ':status': '200', 'grpc-status': 'x' }, framings.none, 2],
    ['an error of HTTP', { ':status': '503' }, framings.untilClose, 14],
    ['an error of HTTP with a gRPC status', { ':status': '503', 'grpc-status': '8' }, framings.none, 8],
  ]
  for (const [name, fields, framing, code] of heads) {
    test(`of ${name} is ${code}`, () => {
      assert.equal(grpcStatusOfHead(new AnswerHead().bindHttp2(listOf(fields), framing)), code)
    })
  }

  test('of trailers is theirs, and unknown without', () => {
    assert.equal(grpcStatusOfTrailers(listOf({ 'grpc-status': '0' })), 0)
    assert.equal(grpcStatusOfTrailers(listOf({ other: '0' })), 2)
    assert.equal(grpcStatusOfTrailers(undefined), 2)
  })
})
