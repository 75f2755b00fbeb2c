import { findType, plainType, sizeOf, typeAt } from './btf.ts'
import type { Btf, BtfMember } from './btf.ts'
import { mapKindOf, mapKinds } from './map-kind.ts'
import type { MapKind } from './map-kind.ts'
import { badObject } from './object-bytes.ts'

/** A map as its object file defines it. Nothing of it exists in a kernel. */
export interface MapSpec {
  readonly name: string
  readonly kind: MapKind
  readonly keyBytes: number
  readonly valueBytes: number
  readonly maxEntries: number
  readonly flags: number
  /** Ids in the object's BTF, 0 where the definition gives a size only. */
  readonly keyType: number
  readonly valueType: number
  /** `__uint(pinning, LIBBPF_PIN_BY_NAME)`: shared by all that load it with the same folder of pins. */
  readonly isPinnedByName: boolean
  /** Of a map of maps: what the maps in it look like. */
  readonly inner: MapSpec | undefined
}

/**
 * The maps of an object: variables of section `.maps`, in the order of the section.
 * @throws MeshError MESH_EBPF_OBJECT
 */
export function readMaps(btf: Btf): readonly MapSpec[] {
  const section = typeAt(btf, findType(btf, 'data-section', '.maps'))
  if (section.kind !== 'data-section') return []
  const maps = section.variables.map(({ type }) => {
    const variable = typeAt(btf, type)
    if (variable.kind !== 'variable') throw badObject(`.maps: type ${type} is no variable`)
    return readMap(btf, variable.name, variable.type, 0)
  })
  for (const [index, { name }] of maps.entries()) {
    if (maps.findIndex(other => other.name === name) !== index) throw badObject(`.maps: two maps are named ${name}`)
  }
  return maps
}

interface Draft {
  type: number
  key_size: number
  value_size: number
  max_entries: number
  map_flags: number
  pinning: number
}

function readMap(btf: Btf, name: string, id: number, depth: number): MapSpec {
  const { type } = plainType(btf, id)
  const where = `map ${name}`
  if (type.kind !== 'struct') throw badObject(`${where} is a ${type.kind}, not a struct of __uint and __type`)
  const draft: Draft = { type: 0, key_size: 0, value_size: 0, max_entries: 0, map_flags: 0, pinning: 0 }
  let keyType = 0
  let valueType = 0
  let inner: MapSpec | undefined
  for (const member of type.members) {
    if (member.name === 'key') keyType = pointee(btf, member, where)
    else if (member.name === 'value') valueType = pointee(btf, member, where)
    else if (member.name === 'values') inner = readInner(btf, { name, member, depth })
    else if (Object.hasOwn(draft, member.name)) draft[member.name as keyof Draft] = number(btf, member, where)
    else throw badObject(`${where}: ${member.name} is not supported`)
  }
  const kind = mapKindOf(draft.type)
  if (kind === undefined) throw badObject(`${where}: type ${draft.type} is not supported`)
  const keyBytes = bytesOf(btf, { where, what: 'key', type: keyType, size: draft.key_size })
  const valueBytes = bytesOf(btf, { where, what: 'value', type: valueType, size: draft.value_size })
  const isOfMaps = kind === 'array-of-maps' || kind === 'hash-of-maps'
  if (isOfMaps !== (inner !== undefined)) {
    throw badObject(`${where}: ${isOfMaps ? 'lacks __array(values, …)' : `values in a map of kind ${kind}`}`)
  }
  return {
    name,
    kind,
    keyBytes: isOfMaps ? keyBytes || 4 : keyBytes,
    valueBytes: isOfMaps ? 4 : valueBytes,
    maxEntries: draft.max_entries,
    flags: draft.map_flags,
    keyType,
    valueType,
    isPinnedByName: draft.pinning === 1,
    inner,
  }
}

function readInner(btf: Btf, of: { name: string; member: BtfMember; depth: number }): MapSpec {
  if (of.depth > 0) throw badObject(`map ${of.name}: maps in maps in maps`)
  const { type } = plainType(btf, of.member.type)
  if (type.kind !== 'array') throw badObject(`map ${of.name}: values is a ${type.kind}, not __array(values, …)`)
  const element = plainType(btf, type.element).type
  if (element.kind !== 'pointer') throw badObject(`map ${of.name}: values hold a ${element.kind}`)
  return readMap(btf, `${of.name}.inner`, element.target, 1)
}

/** `__type(key, T)` is a pointer to T. */
function pointee(btf: Btf, member: BtfMember, where: string): number {
  const { type } = plainType(btf, member.type)
  if (type.kind !== 'pointer') throw badObject(`${where}: ${member.name} is a ${type.kind}, not __type`)
  return type.target
}

/** `__uint(x, n)` is a pointer to an array of n. */
function number(btf: Btf, member: BtfMember, where: string): number {
  const { type } = plainType(btf, member.type)
  const target = type.kind === 'pointer' ? plainType(btf, type.target).type : type
  if (target.kind !== 'array') throw badObject(`${where}: ${member.name} is no __uint`)
  return target.count
}

function bytesOf(btf: Btf, of: { where: string; what: string; type: number; size: number }): number {
  if (of.type === 0) return of.size
  const size = sizeOf(btf, of.type)
  if (of.size !== 0 && of.size !== size) {
    throw badObject(`${of.where}: ${of.what} of ${size} bytes, but ${of.what}_size says ${of.size}`)
  }
  return size
}

/** The kernel is told of types only where it takes them. */
export function takesBtf(spec: MapSpec): boolean {
  return mapKinds[spec.kind].takesBtf && spec.keyType !== 0 && spec.valueType !== 0
}
