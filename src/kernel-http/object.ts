import { readFileSync } from 'node:fs'
import { readObject } from '../kernel/index.ts'
import type { ObjectSpec } from '../kernel/index.ts'

/** Committed beside its source; the same place from src/ and from dist/. */
const objectFile = new URL('../../bpf/kernel-http/http.bpf.o', import.meta.url)

/** The programs of the path, as they come with this version. */
export function readHttpObject(): ObjectSpec {
  return readObject(readFileSync(objectFile), { name: 'http' })
}
