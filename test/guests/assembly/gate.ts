// Asks the service `gate` about each request and lets it pass, with a header, or answers 403.
export * from '@gcoredev/proxy-wasm-sdk-as/assembly/proxy'
import {
  BaseContext,
  Context,
  FilterHeadersStatusValues,
  get_buffer_bytes,
  BufferTypeValues,
  HeaderPair,
  log,
  LogLevelValues,
  registerRootContext,
  RootContext,
  send_http_response,
  stream_context,
  WasmResultValues,
} from '@gcoredev/proxy-wasm-sdk-as/assembly'

class Root extends RootContext {
  onConfigure(size: u32): bool {
    super.onConfigure(size)
    log(LogLevelValues.info, 'configured as ' + this.getConfiguration())
    return this.getConfiguration() != 'refuse'
  }

  createContext(id: u32): Context {
    return new Gate(id, this)
  }
}

function pair(name: string, value: string): HeaderPair {
  return new HeaderPair(String.UTF8.encode(name), String.UTF8.encode(value))
}

class Gate extends Context {
  onRequestHeaders(_count: u32, _end: bool): FilterHeadersStatusValues {
    const path = stream_context.headers.request.get(':path')
    const headers = [pair(':method', 'GET'), pair(':path', path), pair(':authority', 'gate')]
    const result = this.root_context.httpCall('gate', headers, new ArrayBuffer(0), [], 1000, this, answered)
    if (result != WasmResultValues.Ok) {
      send_http_response(502, 'gate_not_called', new ArrayBuffer(0), [])
      return FilterHeadersStatusValues.StopIteration
    }
    return FilterHeadersStatusValues.StopIteration
  }

  onLog(): void {
    log(LogLevelValues.info, 'over')
  }
}

function answered(origin: BaseContext, _headers: u32, size: usize, _trailers: u32): void {
  const context = origin as Gate
  const status = stream_context.headers.http_callback.get(':status')
  const body = String.UTF8.decode(get_buffer_bytes(BufferTypeValues.HttpCallResponseBody, 0, <u32>size))
  context.setEffectiveContext()
  if (status != '200') {
    send_http_response(403, 'gate_said_no', String.UTF8.encode('the gate says ' + body), [pair('x-gate', status)])
    return
  }
  stream_context.headers.request.add('x-gate', body)
  context.continueRequest()
}

registerRootContext((id: u32) => new Root(id), 'gate')
