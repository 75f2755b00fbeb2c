import type { SharedData } from './ports.ts'

/** Memory for keys and values of all plugins; it cannot grow, since every thread sees the same. */
const defaultBytes = 16 * 1024 * 1024
/** Chains of keys; a power of two. */
const bucketCount = 4096

/** Places in the head, in numbers of 32 bits: who has the lock, the last CAS, where free memory begins. */
const lockAt = 0
const casAt = 1
const endAt = 2
/** Bytes of records that nothing reaches any more. */
const garbageAt = 3
const headInts = 4
const firstRecord = (headInts + bucketCount) * 4
/** A record: next of its chain, lengths of key and value, room for the value, CAS. Key and value follow. */
const nextAt = 0
const keyLengthAt = 1
const valueLengthAt = 2
const roomAt = 3
const recordCasAt = 4
const recordInts = 5

/** A thread that ended within the lock must not stop the others for ever; what takes longest is moving all records, some ms. */
const lockTimeoutMs = 1000

export interface SharedEntry {
  readonly value: Uint8Array
  readonly cas: number
}

/** What may be done while no other thread does anything. */
export interface SharedEntries {
  get(vmId: string, key: string): SharedEntry | undefined
  /** @returns false when there is no memory for it: all is as before */
  set(vmId: string, key: string, value: Uint8Array): boolean
  delete(vmId: string, key: string): void
}

/**
 * Data that plugins on several threads share: what one sets the others get at once.
 *
 * All of it lies in one SharedArrayBuffer, which is handed to the threads: a
 * table of chains, and records one behind the other. A value that has grown gets
 * a new record; when memory is used up what is no longer reached is left out. One
 * lock guards all, for some microseconds at a time.
 */
export class ThreadSharedData implements SharedData {
  /** For the other threads: `new ThreadSharedData(buffer)`. */
  readonly buffer: SharedArrayBuffer
  readonly #ints: Int32Array
  readonly #bytes: Uint8Array

  /** @param memory  of another thread's, or how many bytes to take */
  constructor(memory: SharedArrayBuffer | number = defaultBytes) {
    this.buffer = typeof memory === 'number' ? new SharedArrayBuffer(Math.max(memory, firstRecord + 1024)) : memory
    this.#ints = new Int32Array(this.buffer)
    this.#bytes = new Uint8Array(this.buffer)
    Atomics.compareExchange(this.#ints, endAt, 0, firstRecord)
  }

  get(vmId: string, key: string): SharedEntry | undefined {
    return this.alone(() => this.#get(vmId, key))
  }

  set(vmId: string, key: string, value: Uint8Array, cas: number): 'set' | 'cas-mismatch' | 'full' {
    return this.alone(() => this.#set(vmId, key, value, cas))
  }

  /** Does several things of which no other thread sees but all or nothing. @param action  short, and calls nothing else of this */
  alone<T>(action: (data: SharedEntries) => T): T {
    this.#lock()
    try {
      return action(this.#entries)
    } finally {
      this.#unlock()
    }
  }

  readonly #entries: SharedEntries = {
    get: (vmId, key) => this.#get(vmId, key),
    set: (vmId, key, value) => this.#set(vmId, key, value, 0) === 'set',
    delete: (vmId, key) => this.#unlink(nameOf(vmId, key)),
  }

  #get(vmId: string, key: string): SharedEntry | undefined {
    const record = this.#find(nameOf(vmId, key))
    if (record === 0) return undefined
    const start = valueStart(record, this.#int(record, keyLengthAt))
    const value = this.#bytes.slice(start, start + this.#int(record, valueLengthAt))
    return { value, cas: this.#int(record, recordCasAt) >>> 0 }
  }

  #set(vmId: string, key: string, value: Uint8Array, cas: number): 'set' | 'cas-mismatch' | 'full' {
    const name = nameOf(vmId, key)
    const known = this.#find(name)
    if (known !== 0 && cas !== 0 && this.#int(known, recordCasAt) >>> 0 !== cas) return 'cas-mismatch'
    const record = known !== 0 && this.#int(known, roomAt) >= value.length ? known : this.#replace(name, value.length)
    if (record === 0) return 'full'
    this.#bytes.set(value, valueStart(record, name.length))
    this.#setInt(record, valueLengthAt, value.length)
    this.#setInt(record, recordCasAt, this.#nextCas())
    return 'set'
  }

  /** 0 means any in the ABI, so it is never one. */
  #nextCas(): number {
    const cas = ((this.#ints[casAt] ?? 0) + 1) | 0 || 1
    this.#ints[casAt] = cas
    return cas
  }

  /** A new record in place of the one of that name, 0 if there is no memory for it; then the old one stays. */
  #replace(name: Uint8Array, room: number): number {
    const size = sizeOf(name.length, room)
    if (this.#end + size > this.#bytes.length) {
      // Only when it gains something: a plugin that goes on writing to full memory must not stop all threads each time.
      const garbage = this.#ints[garbageAt] ?? 0
      if (garbage < this.#bytes.length / 8 || this.#end - garbage + size > this.#bytes.length) return 0
      this.#compact()
    }
    this.#unlink(name)
    return this.#append(name, room)
  }

  #append(name: Uint8Array, room: number): number {
    const record = this.#end
    this.#ints[endAt] = record + sizeOf(name.length, room)
    const bucket = bucketOf(name)
    this.#setInt(record, nextAt, this.#ints[bucket] ?? 0)
    this.#setInt(record, keyLengthAt, name.length)
    this.#setInt(record, valueLengthAt, 0)
    this.#setInt(record, roomAt, room)
    this.#bytes.set(name, record + recordInts * 4)
    this.#ints[bucket] = record
    return record
  }

  #find(name: Uint8Array): number {
    let record = this.#ints[bucketOf(name)] ?? 0
    while (record !== 0 && !this.#isNamed(record, name)) record = this.#int(record, nextAt)
    return record
  }

  #unlink(name: Uint8Array): void {
    const bucket = bucketOf(name)
    let before = 0
    let record = this.#ints[bucket] ?? 0
    while (record !== 0 && !this.#isNamed(record, name)) {
      before = record
      record = this.#int(record, nextAt)
    }
    if (record === 0) return
    const garbage = sizeOf(this.#int(record, keyLengthAt), this.#int(record, roomAt))
    this.#ints[garbageAt] = (this.#ints[garbageAt] ?? 0) + garbage
    const next = this.#int(record, nextAt)
    if (before === 0) this.#ints[bucket] = next
    else this.#setInt(before, nextAt, next)
  }

  #isNamed(record: number, name: Uint8Array): boolean {
    if (this.#int(record, keyLengthAt) !== name.length) return false
    const start = record + recordInts * 4
    for (let index = 0; index < name.length; index++) if (this.#bytes[start + index] !== name[index]) return false
    return true
  }

  /** Writes all records that are reached again, one behind the other. */
  #compact(): void {
    const kept: { name: Uint8Array; value: Uint8Array; cas: number }[] = []
    for (let bucket = headInts; bucket < headInts + bucketCount; bucket++) {
      let record = this.#ints[bucket] ?? 0
      for (; record !== 0; record = this.#int(record, nextAt)) {
        const nameStart = record + recordInts * 4
        const start = nameStart + this.#int(record, keyLengthAt)
        const name = this.#bytes.slice(nameStart, start)
        const value = this.#bytes.slice(start, start + this.#int(record, valueLengthAt))
        kept.push({ name, value, cas: this.#int(record, recordCasAt) })
      }
      this.#ints[bucket] = 0
    }
    this.#ints[endAt] = firstRecord
    this.#ints[garbageAt] = 0
    for (const { name, value, cas } of kept) {
      const record = this.#append(name, value.length)
      this.#bytes.set(value, valueStart(record, name.length))
      this.#setInt(record, valueLengthAt, value.length)
      this.#setInt(record, recordCasAt, cas)
    }
  }

  get #end(): number {
    return this.#ints[endAt] ?? 0
  }

  #int(record: number, at: number): number {
    return this.#ints[record / 4 + at] ?? 0
  }

  #setInt(record: number, at: number, value: number): void {
    this.#ints[record / 4 + at] = value
  }

  #lock(): void {
    while (Atomics.compareExchange(this.#ints, lockAt, 0, 1) !== 0) {
      if (Atomics.wait(this.#ints, lockAt, 1, lockTimeoutMs) === 'timed-out') return
    }
  }

  #unlock(): void {
    Atomics.store(this.#ints, lockAt, 0)
    Atomics.notify(this.#ints, lockAt, 1)
  }
}

function nameOf(vmId: string, key: string): Uint8Array {
  return Buffer.from(`${vmId}\0${key}`, 'latin1')
}

function valueStart(record: number, keyLength: number): number {
  return record + recordInts * 4 + keyLength
}

/** In whole numbers of 32 bits, so that the next record begins at one. */
function sizeOf(keyLength: number, room: number): number {
  return (recordInts * 4 + keyLength + room + 3) & ~3
}

/** FNV-1a. */
function bucketOf(name: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of name) hash = Math.imul(hash ^ byte, 0x01000193)
  return headInts + ((hash >>> 0) & (bucketCount - 1))
}
