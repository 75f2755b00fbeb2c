import { MeshError } from '../../core/index.ts'
import { compileGuest } from '../engine/guest-module.ts'
import type { CompileOptions, GuestModule } from '../engine/guest-module.ts'
import { webAssembly } from '../engine/web-assembly.ts'
import { abiVersionOf } from './abi.ts'
import type { AbiVersion } from './abi.ts'

/** A compiled plugin; it can be posted to other threads. */
export interface PluginModule {
  readonly guest: GuestModule
  readonly abi: AbiVersion
  readonly imports: readonly { readonly module: string; readonly name: string }[]
  /** Whether it can change bodies: its linker left `proxy_set_buffer_bytes` in. */
  readonly editsBodies: boolean
}

/**
 * Compiles a plugin, whatever it is for; configurations and instances come later.
 *
 * @throws MeshError MESH_PLUGIN_INVALID
 */
export async function compilePlugin(bytes: Uint8Array, options: CompileOptions = {}): Promise<PluginModule> {
  const guest = await compileGuest(bytes, options)
  const abi = abiVersionOf(webAssembly.Module.exports(guest.module))
  if (abi === undefined) {
    throw new MeshError('MESH_PLUGIN_INVALID', 'the module exports no proxy_abi_version_0_1_0, _0_2_0 or _0_2_1', {
      source: 'plugin',
      hint: 'It is no proxy-wasm plugin, or one of before 2021; build it again with a proxy-wasm SDK.',
    })
  }
  const imports = webAssembly.Module.imports(guest.module).map(({ module, name }) => ({ module, name }))
  return { guest, abi, imports, editsBodies: imports.some(({ name }) => name === 'proxy_set_buffer_bytes') }
}
