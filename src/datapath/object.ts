import { readFileSync } from 'node:fs'
import { readObject } from '../kernel/index.ts'
import type { ObjectSpec } from '../kernel/index.ts'

/** Committed beside its source; the same place from src/ and from dist/. */
const objectFile = new URL('../../bpf/datapath/sockets.bpf.o', import.meta.url)

/** Our programs, as they come with this version. */
export function readSockets(): ObjectSpec {
  return readObject(readFileSync(objectFile), { name: 'sockets' })
}
