// Verifies the bearer token of each request (JWT, RFC 7519, by HS256) and passes its claims on as header fields.
export * from './lib/callbacks'
import {
  Context,
  FilterHeadersStatusValues,
  get_current_time_nanoseconds,
  log,
  LogLevelValues,
  makeHeaderPair,
  registerRootContext,
  RootContext,
  send_http_response,
  stream_context,
} from '@gcoredev/proxy-wasm-sdk-as/assembly'
import { Json, Kind, parseJson } from './lib/json'
import { decodeBase64, hmacSha256, isSame } from './lib/sha256'

class Root extends RootContext {
  secret: Uint8Array = new Uint8Array(0)
  claims: Json = new Json(Kind.missing)
  isOptional: bool = false

  onConfigure(size: u32): bool {
    super.onConfigure(size)
    const configuration = parseJson(this.getConfiguration())
    this.secret = Uint8Array.wrap(String.UTF8.encode(configuration.get('secret').value))
    this.claims = configuration.get('claims')
    this.isOptional = configuration.get('optional').value == 'true'
    const isRight = this.secret.length > 0 && this.claims.kind == Kind.object
    if (!isRight) log(LogLevelValues.error, 'the configuration needs a secret and claims')
    return isRight
  }

  createContext(id: u32): Context {
    return new Claims(id, this)
  }
}

class Claims extends Context {
  constructor(
    id: u32,
    private root: Root,
  ) {
    super(id, root)
  }

  onRequestHeaders(_count: u32, _end: bool): FilterHeadersStatusValues {
    const headers = stream_context.headers.request
    const claims = this.root.claims
    // Nobody but the token says who it is.
    for (let index = 0; index < claims.items.length; index++) headers.remove(claims.items[index].value)
    const authorization = headers.get('authorization')
    if (authorization == '' && this.root.isOptional) return FilterHeadersStatusValues.Continue
    if (authorization.length < 7 || authorization.slice(0, 7).toLowerCase() != 'bearer ') return refuse('')
    const token = this.payloadOf(authorization.slice(7).trim())
    if (token.kind != Kind.object) return refuse('invalid_token')
    for (let index = 0; index < claims.names.length; index++) {
      const value = token.at(claims.names[index]).toString()
      if (!isFieldValue(value)) return refuse('invalid_token')
      if (value != '') headers.replace(claims.items[index].value, value)
    }
    return FilterHeadersStatusValues.Continue
  }

  /** Missing unless the token is signed, and its time has come and is not over. */
  private payloadOf(token: string): Json {
    const missing = new Json(Kind.missing)
    const parts = token.split('.')
    if (parts.length != 3) return missing
    const signed = Uint8Array.wrap(String.UTF8.encode(parts[0] + '.' + parts[1]))
    if (!isSame(hmacSha256(this.root.secret, signed), decodeBase64(parts[2]))) return missing
    if (textOf(parts[0]).get('alg').value != 'HS256') return missing
    const payload = textOf(parts[1])
    const now = <f64>(get_current_time_nanoseconds() / 1_000_000_000)
    const ends = payload.get('exp')
    if (ends.kind != Kind.missing && !(parseFloat(ends.value) > now)) return missing
    const begins = payload.get('nbf')
    if (begins.kind != Kind.missing && !(parseFloat(begins.value) <= now)) return missing
    return payload
  }
}

function textOf(part: string): Json {
  return parseJson(String.UTF8.decode(decodeBase64(part).buffer))
}

/** RFC 9110, section 5.5. */
function isFieldValue(value: string): bool {
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index)
    if ((code < 0x20 && code != 0x09) || code == 0x7f) return false
  }
  return true
}

/** RFC 6750, section 3. */
function refuse(error: string): FilterHeadersStatusValues {
  const challenge = error == '' ? 'Bearer' : 'Bearer error="' + error + '"'
  const body = String.UTF8.encode('A valid bearer token is needed.\n')
  send_http_response(401, 'jwt_refused', body, [makeHeaderPair('www-authenticate', challenge)])
  return FilterHeadersStatusValues.StopIteration
}

registerRootContext((id: u32) => new Root(id), '')
