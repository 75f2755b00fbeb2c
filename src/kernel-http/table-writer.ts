import { MeshError } from '../core/index.ts'
import { khTableFlags } from './generated/http.ts'
import type { KhFieldKey, KhHostKey, KhPathKey, KhPermission, KhRule, KhTable } from './generated/http.ts'
import type { KernelHttp } from './kernel-http.ts'
import { Blocks } from './blocks.ts'
import { actionCode, allMethods, methodBits, parameterMark, pathHash, tableLimits } from './table.ts'
import type { KernelField, KernelPath, KernelRule, KernelService, KernelTable } from './table.ts'

/** What was written for a table, to be removed when another holds. */
interface Written {
  readonly value: KhTable
  readonly paths: KhPathKey[]
  readonly fields: KhFieldKey[]
  readonly permissions: KhPermission[]
  readonly blocks: number[]
}

interface WrittenService {
  readonly tables: Written[]
  readonly hosts: KhHostKey[]
}

const ruleEntries = 65_536
const targetCount = tableLimits.targets

/**
 * Brings tables into the kernel. A Service gets a new one beside the old one, then one entry leads there: a request is led by
 * the one or by the other.
 */
export class TableWriter {
  readonly #kernel: KernelHttp
  readonly #blocks = new Blocks(ruleEntries)
  readonly #services = new Map<number, WrittenService>()
  #nextTable = 1

  constructor(kernel: KernelHttp) {
    this.#kernel = kernel
  }

  /**
   * @param service  its number, as listeners have it
   * @throws MeshError MESH_KERNEL_SYSCALL when a map is full; then the old table holds
   */
  write(service: number, wanted: KernelService): void {
    const written: WrittenService = { tables: [], hosts: [] }
    try {
      const main = this.#writeTable(written, wanted)
      const hostTables = [...(wanted.hosts ?? [])].map(
        ([host, table]) => [host, this.#writeTable(written, table)] as const,
      )
      for (const [host, { value }] of hostTables) {
        const key: KhHostKey = { table: main.value.id, length: host.length, host: padded(host, tableLimits.hostBytes) }
        this.#kernel.map('kh_hosts').set(key, value)
        written.hosts.push(key)
      }
      const flags = main.value.flags | (hostTables.length > 0 ? khTableFlags.KH_HAS_HOSTS : 0)
      // Names are gathered before the host is known.
      const nameLengths = written.tables.reduce((all, { value }) => all | value.nameLengths, 0n)
      this.#kernel.map('kh_tables').set(service, { ...main.value, flags, nameLengths })
    } catch (error) {
      this.#remove(written)
      throw error
    }
    const before = this.#services.get(service)
    this.#services.set(service, written)
    if (before !== undefined) this.#remove(before)
  }

  /** From now on all requests to the Service go to user space. */
  remove(service: number): void {
    this.#kernel.map('kh_tables').delete(service)
    const before = this.#services.get(service)
    this.#services.delete(service)
    if (before !== undefined) this.#remove(before)
  }

  #writeTable(written: WrittenService, { paths, permissions }: KernelTable): Written {
    const id = this.#nextTable++
    const bits = new FieldBits(paths.flatMap(({ rules }) => rules.flatMap(({ fields }) => fields)))
    const keys = paths.map(pathHash)
    const depths = keys.reduce((all, { depth }) => (all | (1 << depth)) >>> 0, 0)
    const table: Written = {
      value: {
        id,
        flags: bits.hasParameters ? khTableFlags.KH_HAS_QUERY : 0,
        nameLengths: bits.nameLengths,
        depths,
        zero: 0,
      },
      paths: [],
      fields: [],
      permissions: [],
      blocks: [],
    }
    written.tables.push(table)
    for (const [field, bit] of bits.entries()) {
      const key = fieldKey(id, field)
      this.#kernel.map('kh_fields').set(key, bit)
      table.fields.push(key)
    }
    const open = permissions === undefined ? undefined : new Map<number, number>()
    for (const { caller, number, methods } of permissions ?? []) {
      if (caller === 0n) {
        open?.set(number, (open.get(number) ?? 0) | methodBits(methods))
        continue
      }
      const key: KhPermission = { caller, table: id, number }
      this.#kernel.map('kh_permissions').set(key, methodBits(methods))
      table.permissions.push(key)
    }
    const firsts = this.#writeRules(table, paths, { bits, open })
    for (const [index, { value, rules }] of paths.entries()) {
      const key: KhPathKey = { table: id, depth: 0, hash: 0n, ...keys[index] }
      const first = firsts.get(rules) ?? 0
      const path = padded(value, tableLimits.pathBytes)
      this.#kernel.map('kh_paths').set(key, { first, count: rules.length, length: value.length, path })
      table.paths.push(key)
    }
    return table
  }

  /** Lists that paths share are written once. @returns where each begins */
  #writeRules(
    table: Written,
    paths: readonly KernelPath[],
    { bits, open }: RuleTerms,
  ): ReadonlyMap<readonly KernelRule[], number> {
    const lists = [...new Set(paths.map(({ rules }) => rules))]
    const count = lists.reduce((sum, rules) => sum + rules.length, 0)
    const first = this.#blocks.take(count)
    if (first === undefined) {
      throw new MeshError('MESH_KERNEL_SYSCALL', `more than ${ruleEntries} rules for paths`, { source: 'kernel' })
    }
    table.blocks.push(first)
    const firsts = new Map<readonly KernelRule[], number>()
    let at = first
    for (const rules of lists) {
      firsts.set(rules, at)
      at += rules.length
    }
    const rows = lists.flatMap(rules => rules.map(rule => ruleEntry(rule, { bits, open })))
    this.#kernel.map('kh_rules').setAll(rows.map((row, index) => [first + index, row] as const))
    return firsts
  }

  #remove({ tables, hosts }: WrittenService): void {
    this.#kernel.map('kh_hosts').deleteAll(hosts)
    for (const { paths, fields, permissions, blocks } of tables) {
      this.#kernel.map('kh_paths').deleteAll(paths)
      this.#kernel.map('kh_fields').deleteAll(fields)
      this.#kernel.map('kh_permissions').deleteAll(permissions)
      for (const first of blocks) this.#blocks.give(first)
    }
  }
}

interface RuleTerms {
  readonly bits: FieldBits
  /** Methods that everybody may use, by the number of a rule; undefined for all. */
  readonly open: ReadonlyMap<number, number> | undefined
}

/** Bits of the fields that rules ask for, from 1 on; 0 for a name alone. */
class FieldBits {
  readonly #bits = new Map<string, readonly [KernelField, number]>()
  #nextBit = 1
  nameLengths = 0n
  hasParameters = false

  constructor(fields: readonly KernelField[]) {
    for (const field of fields) {
      // One bit for each name with the value, and one for the name, by which a second field of that name is seen.
      if (!this.#bits.has(field.name)) this.#add(field.name, { name: field.name, value: '' })
      const key = `${field.name}:${field.value}`
      if (!this.#bits.has(key)) this.#add(key, field)
      if (field.name.startsWith(parameterMark)) this.hasParameters = true
      else this.nameLengths |= 1n << BigInt(field.name.length)
    }
  }

  #add(key: string, field: KernelField): void {
    this.#bits.set(key, [field, this.#nextBit++])
  }

  entries(): readonly (readonly [KernelField, number])[] {
    return [...this.#bits.values()]
  }

  mask(fields: readonly KernelField[]): bigint {
    return fields.reduce((mask, { name, value }) => {
      const [, bit] = this.#bits.get(`${name}:${value}`) ?? [undefined, 1]
      return mask | (1n << BigInt(bit - 1))
    }, 0n)
  }
}

function padded(bytes: Uint8Array | string, length: number): Uint8Array {
  const padding = new Uint8Array(length)
  padding.set(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  return padding
}

function fieldKey(table: number, { name, value }: KernelField): KhFieldKey {
  return {
    table,
    nameLength: name.length,
    valueLength: value.length,
    name: padded(name, tableLimits.nameBytes),
    value: padded(value, tableLimits.valueBytes),
  }
}

function ruleEntry({ method, fields, action, number }: KernelRule, { bits, open }: RuleTerms): KhRule {
  const targets = action.kind === 'pools' ? action.targets : []
  let below = 0
  const rows = targets.map(({ pool, weight, count }) => {
    below += weight
    return { below, pool, count }
  })
  while (rows.length < targetCount) rows.push({ below, pool: 0, count: 0 })
  return {
    methods: methodBits(method === undefined ? undefined : [method]),
    action: actionCode(action),
    fields: bits.mask(fields),
    number,
    draws: below,
    open: open === undefined ? allMethods : (open.get(number) ?? 0),
    zero: 0,
    targets: rows,
  }
}
