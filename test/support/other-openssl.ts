/**
 * For `--import`: makes this Node one whose OpenSSL can't be called, by what `HEDDLE_TEST_OPENSSL` says. `missing` lacks
 * one of its functions, as a Node that was linked with another library does; `version` has another OpenSSL than Node says.
 */
import type ffiModule from 'node:ffi'

const getBuiltinModule = Reflect.get(process, 'getBuiltinModule') as (this: unknown, id: string) => unknown
const kind = process.env['HEDDLE_TEST_OPENSSL']
const find: (id: string) => unknown = id => getBuiltinModule.call(process, id)

const dlopen =
  (ffi: typeof ffiModule) =>
  (path: string | null, definitions: Record<string, never>): unknown => {
    if (!('OpenSSL_version' in definitions)) return ffi.dlopen(path, definitions)
    if (kind === 'missing') throw new Error('dlsym failed: undefined symbol: SSL_get1_peer_certificate')
    const opened = ffi.dlopen(path, definitions) as { functions: Record<string, unknown> }
    const version = Buffer.from('4.0.1\0')
    const functions = { ...opened.functions, OpenSSL_version: () => ffi.getRawPointer(version) }
    return { ...opened, functions }
  }

Reflect.set(process, 'getBuiltinModule', (id: string) => {
  const found = find(id)
  if (id !== 'node:ffi') return found
  const ffi = found as typeof ffiModule
  return { ...ffi, dlopen: dlopen(ffi) }
})
