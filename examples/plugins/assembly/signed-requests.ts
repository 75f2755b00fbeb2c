// Lets requests pass whose signature a verifier accepts, and whose body is the one that was signed.
export * from './lib/callbacks'
import {
  BaseContext,
  BufferTypeValues,
  Context,
  FilterDataStatusValues,
  FilterHeadersStatusValues,
  FilterTrailersStatusValues,
  get_buffer_bytes,
  log,
  LogLevelValues,
  makeHeaderPair,
  registerRootContext,
  RootContext,
  send_http_response,
  stream_context,
  WasmResultValues,
} from '@gcoredev/proxy-wasm-sdk-as/assembly'
import { Json, parseJson } from './lib/json'
import { decodeBase64, isSame, sha256 } from './lib/sha256'

/** What the verifier is told of a request, besides its method and path. */
const signedFields: string[] = ['x-signature', 'x-key-id', 'x-timestamp', 'content-digest']

class Root extends RootContext {
  verifier: string = ''
  timeoutMs: u32 = 1000

  onConfigure(size: u32): bool {
    super.onConfigure(size)
    const configuration: Json = parseJson(this.getConfiguration())
    this.verifier = configuration.get('verifier').value
    const timeout = configuration.get('timeoutMs').value
    if (timeout != '') this.timeoutMs = <u32>parseInt(timeout)
    if (this.verifier == '') log(LogLevelValues.error, 'the configuration needs a verifier')
    return this.verifier != ''
  }

  createContext(id: u32): Context {
    return new Signed(id, this)
  }
}

class Signed extends Context {
  /** Of the body; undefined where there is none. */
  digest: string = ''

  constructor(
    id: u32,
    private root: Root,
  ) {
    super(id, root)
  }

  onRequestHeaders(_count: u32, isEnd: bool): FilterHeadersStatusValues {
    const headers = stream_context.headers.request
    // The verifier alone says who it was.
    headers.remove('x-signed-by')
    if (headers.get('x-signature') == '') return refuse(401, 'The request is not signed.\n')
    this.digest = headers.get('content-digest')
    if (!isEnd && !this.digest.startsWith('sha-256=:'))
      return refuse(400, 'The body needs a content-digest by sha-256.\n')
    const call = [
      makeHeaderPair(':method', 'POST'),
      makeHeaderPair(':path', '/verify'),
      makeHeaderPair(':authority', this.root.verifier),
      makeHeaderPair('x-method', headers.get(':method')),
      makeHeaderPair('x-path', headers.get(':path')),
    ]
    for (let index = 0; index < signedFields.length; index++) {
      const value = headers.get(signedFields[index])
      if (value != '') call.push(makeHeaderPair(signedFields[index], value))
    }
    const empty = new ArrayBuffer(0)
    const sent = this.root.httpCall(this.root.verifier, call, empty, [], this.root.timeoutMs, this, verified)
    if (sent != WasmResultValues.Ok) return refuse(503, 'The signature could not be verified.\n')
    return FilterHeadersStatusValues.StopIteration
  }

  onRequestBody(size: usize, isEnd: bool): FilterDataStatusValues {
    if (!isEnd) return FilterDataStatusValues.StopIterationAndBuffer
    return this.isBodySigned(<u32>size) ? FilterDataStatusValues.Continue : FilterDataStatusValues.StopIterationNoBuffer
  }

  onRequestTrailers(_count: u32): FilterTrailersStatusValues {
    return this.isBodySigned(u32.MAX_VALUE)
      ? FilterTrailersStatusValues.Continue
      : FilterTrailersStatusValues.StopIteration
  }

  /** `sha-256=:…:`, RFC 9530. */
  private isBodySigned(size: u32): bool {
    const body = Uint8Array.wrap(get_buffer_bytes(BufferTypeValues.HttpRequestBody, 0, size))
    const end = this.digest.indexOf(':', 9)
    if (end > 0 && isSame(sha256(body), decodeBase64(this.digest.slice(9, end)))) return true
    refuse(403, 'The body is not the one that was signed.\n')
    return false
  }
}

function verified(origin: BaseContext, count: u32, _size: usize, _trailers: u32): void {
  const answer = stream_context.headers.http_callback
  const status = count == 0 ? '' : answer.get(':status')
  const signer = answer.get('x-signed-by')
  const context = origin as Signed
  context.setEffectiveContext()
  if (status == '200') {
    if (signer != '') stream_context.headers.request.replace('x-signed-by', signer)
    context.continueRequest()
  } else if (status == '401' || status == '403') refuse(403, 'The signature is not valid.\n')
  else refuse(503, 'The signature could not be verified.\n')
}

function refuse(status: u32, text: string): FilterHeadersStatusValues {
  send_http_response(status, 'signature_refused', String.UTF8.encode(text), [])
  return FilterHeadersStatusValues.StopIteration
}

registerRootContext((id: u32) => new Root(id), '')
