import { plainType } from './btf.ts'
import type { Btf, BtfMember, BtfStruct, BtfType } from './btf.ts'
import { fieldName } from './field-name.ts'
import type { ObjectSpec } from './object-spec.ts'

/**
 * TypeScript for the keys, values and named structs of an object, as `LoadedObject.map` takes and gives them: nobody
 * has to write a struct of C down a second time. For a file that is committed; the text depends on the object only.
 *
 * @param options.types  structs, enums that no map refers to: records of ring buffers, by their names in C
 * @throws MeshError MESH_EBPF_OBJECT for a name that the object does not have, or a type without values
 */
export function generateTypes(spec: ObjectSpec, options: { readonly types?: readonly string[] } = {}): string {
  const writer = new Writer(spec.btf)
  const maps = spec.maps.map(map => {
    const key = map.keyType === 0 ? sizeType(map.keyBytes) : writer.reference(map.keyType)
    const value =
      map.valueType === 0 || map.inner !== undefined ? sizeType(map.valueBytes) : writer.reference(map.valueType)
    return `  readonly ${map.name}: { readonly key: ${key}; readonly value: ${value} }`
  })
  for (const map of spec.maps) {
    if (map.inner === undefined) continue
    for (const id of [map.inner.keyType, map.inner.valueType]) if (id !== 0) writer.reference(id)
  }
  for (const name of options.types ?? []) writer.named(name)
  const body = [
    '/** Keys and values of the maps; of per-CPU maps, the value of one CPU. */',
    'export interface Maps {',
    ...maps,
    '}',
  ]
  return `${[...writer.declarations(), body.join('\n')].join('\n\n')}\n`
}

/** Definitions with a size only; see `plainCodec`. */
function sizeType(size: number): string {
  return size === 0 ? 'undefined' : size === 4 ? 'number' : 'Uint8Array'
}

class Writer {
  readonly #btf: Btf
  readonly #written = new Map<string, string>()

  constructor(btf: Btf) {
    this.#btf = btf
  }

  declarations(): readonly string[] {
    return [...this.#written.values()]
  }

  /** @throws RangeError when there is no such type */
  named(name: string): void {
    const id = this.#btf.types.findIndex(
      type => ['struct', 'union', 'enum'].includes(type.kind) && nameOf(type) === name,
    )
    if (id < 0) throw new RangeError(`no struct, union or enum ${name}`)
    this.reference(id)
  }

  /** How a type is written where it is used; named structs and enums are declared on the way. */
  reference(id: number): string {
    const { type } = plainType(this.#btf, id)
    switch (type.kind) {
      case 'int':
        return type.encoding === 'bool'
          ? 'boolean'
          : type.size > 8
            ? 'Uint8Array'
            : type.size === 8
              ? 'bigint'
              : 'number'
      case 'pointer':
        return 'bigint'
      case 'float':
        return 'number'
      case 'enum':
        this.#declareEnum(type)
        return type.size === 8 ? 'bigint' : 'number'
      case 'array':
        return this.#array(type.element)
      case 'struct':
      case 'union':
        return this.#struct(type)
      case 'void':
      case 'forward':
      case 'function':
      case 'prototype':
      case 'variable':
      case 'data-section':
      case 'tag':
        return 'never'
    }
  }

  #array(element: number): string {
    const { type } = plainType(this.#btf, element)
    if (type.kind === 'int' && type.size === 1) {
      if (type.encoding === 'char') return 'string'
      if (type.encoding === 'unsigned') return 'Uint8Array'
    }
    return `readonly ${bracketed(this.reference(element))}[]`
  }

  #struct(type: BtfStruct): string {
    if (type.name === '') return this.#body(type, '  ')
    const name = pascalCase(type.name)
    if (!this.#written.has(name)) {
      // Its place is taken before those of its members.
      this.#written.set(name, '')
      this.#written.set(
        name,
        `/** ${type.kind} ${type.name}, ${type.size} bytes. */\nexport type ${name} = ${this.#body(type, '')}`,
      )
    }
    return name
  }

  /** Members without a name count as those of the struct around them. */
  #body(type: BtfStruct, indent: string): string {
    const inner: string[] = []
    const lines = type.members.flatMap((member: BtfMember) => {
      const { type: its } = plainType(this.#btf, member.type)
      if (member.name === '') {
        if (its.kind === 'struct' || its.kind === 'union') inner.push(this.#body(its, indent))
        return []
      }
      return [
        `${indent}  readonly ${fieldName(member.name)}${type.kind === 'union' ? '?' : ''}: ${this.reference(member.type)}`,
      ]
    })
    const own = lines.length === 0 ? [] : [`{\n${lines.join('\n')}\n${indent}}`]
    return [...own, ...inner].join(' & ') || 'Record<never, never>'
  }

  #declareEnum(type: BtfType): void {
    if (type.kind !== 'enum' || type.name === '') return
    const name = fieldName(type.name)
    if (this.#written.has(name)) return
    const values = type.values.map(each => `  ${each.name}: ${each.value}${type.size === 8 ? 'n' : ''},`)
    this.#written.set(name, `/** enum ${type.name}. */\nexport const ${name} = {\n${values.join('\n')}\n} as const`)
  }
}

function nameOf(type: BtfType): string {
  return 'name' in type ? type.name : ''
}

function bracketed(text: string): string {
  return /^[\w.]+$/.test(text) ? text : `(${text})`
}

function pascalCase(name: string): string {
  return name
    .split('_')
    .map(part => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join('')
}
