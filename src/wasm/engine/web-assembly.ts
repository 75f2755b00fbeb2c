/** Node's WebAssembly, as far as it is used here: types of Node have none without those of browsers. */
interface WebAssemblyApi {
  readonly Module: {
    new (bytes: Uint8Array): CompiledModule
    exports(module: CompiledModule): readonly ModuleItem[]
    imports(module: CompiledModule): readonly (ModuleItem & { readonly module: string })[]
  }
  readonly Instance: new (
    module: CompiledModule,
    imports: object,
  ) => { readonly exports: Readonly<Record<string, unknown>> }
  readonly Table: new (...parameters: never[]) => { set(index: number, value: unknown): void }
  readonly Global: new (...parameters: never[]) => { value: unknown }
  readonly RuntimeError: new () => Error
  compile(bytes: Uint8Array): Promise<CompiledModule>
}

/** A `WebAssembly.Module`. */
export type CompiledModule = object

/** A `WebAssembly.Memory`. */
export interface LinearMemory {
  readonly buffer: ArrayBuffer
}

export interface ModuleItem {
  readonly name: string
  readonly kind: string
}

export const webAssembly: WebAssemblyApi = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly
