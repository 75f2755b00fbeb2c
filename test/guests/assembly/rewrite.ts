// Adds, reads and removes 20 headers of each request, like rewrite.cc; and does nothing for `/noop`.
export * from '@gcoredev/proxy-wasm-sdk-as/assembly/proxy'
import {
  Context,
  FilterHeadersStatusValues,
  registerRootContext,
  RootContext,
  stream_context,
} from '@gcoredev/proxy-wasm-sdk-as/assembly'

class Root extends RootContext {
  createContext(id: u32): Context {
    return new Rewrite(id, this)
  }
}

class Rewrite extends Context {
  onRequestHeaders(_count: u32, _end: bool): FilterHeadersStatusValues {
    if (this.root_context.getConfiguration().includes('noop')) return FilterHeadersStatusValues.Continue
    const headers = stream_context.headers.request
    for (let index = 0; index < 20; index++) headers.add('x-header-' + index.toString(), 'a value of a header')
    for (let index = 0; index < 20; index++) headers.get('x-header-' + index.toString())
    for (let index = 0; index < 20; index++) headers.remove('x-header-' + index.toString())
    return FilterHeadersStatusValues.Continue
  }
}

registerRootContext((id: u32) => new Root(id), '')
