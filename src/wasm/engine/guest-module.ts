import { createHash } from 'node:crypto'
import { MeshError, messageOf } from '../../core/index.ts'
import { invalidModule } from './byte-reader.ts'
import { confine } from './confine.ts'
import type { ConfineOptions } from './confine.ts'
import { webAssembly } from './web-assembly.ts'
import type { CompiledModule } from './web-assembly.ts'

/**
 * A module, compiled once. It can be posted to other threads, which share the
 * machine code.
 */
export interface GuestModule {
  readonly module: CompiledModule
  /** Of the file, as operators know it; 64 hexadecimal digits. */
  readonly sha256: string
  readonly byteLength: number
  readonly memoryLimitBytes: number
}

/** What plugins need is a few MB, Go's 8 to 20; Envoy's limit is 1 GiB, with which a few leaking plugins end a node. */
export const defaultMemoryLimitBytes: number = 64 * 1024 * 1024

export interface CompileOptions extends Partial<ConfineOptions> {
  /** The module stays byte for byte as it is, since source maps count its bytes: it has no limits at all then. @default false */
  readonly isInspected?: boolean
}

/**
 * Compiles a module with its limits built in.
 *
 * @throws MeshError MESH_PLUGIN_INVALID
 */
export async function compileGuest(bytes: Uint8Array, options: CompileOptions = {}): Promise<GuestModule> {
  const memoryLimitBytes = options.memoryLimitBytes ?? defaultMemoryLimitBytes
  const limits = { time: 'metered', ...options, memoryLimitBytes } as const
  const confined = options.isInspected === true ? bytes : confine(bytes, limits)
  try {
    const module = await webAssembly.compile(confined)
    if (!webAssembly.Module.exports(module).some(({ name, kind }) => name === 'memory' && kind === 'memory'))
      throw invalidModule('it exports no memory')
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    return { module, sha256, byteLength: bytes.length, memoryLimitBytes }
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw invalidModule(messageOf(error))
  }
}
