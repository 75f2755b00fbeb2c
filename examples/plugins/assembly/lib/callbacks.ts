// The SDK's callbacks, and an end of the root context, which the SDK (1.2.3) looks for among the streams and aborts.
import * as sdk from '@gcoredev/proxy-wasm-sdk-as/assembly/proxy'
export * from '@gcoredev/proxy-wasm-sdk-as/assembly/proxy'

const rootContext: u32 = 1

export function proxy_on_done(id: u32): u32 {
  return id == rootContext ? 1 : sdk.proxy_on_done(id)
}

export function proxy_on_delete(id: u32): void {
  if (id != rootContext) sdk.proxy_on_delete(id)
}
