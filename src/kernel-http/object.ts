import { readFileSync } from 'node:fs'
import { readObject } from '../kernel/index.ts'
import type { ObjectSpec } from '../kernel/index.ts'

/** The programs of the path, as they come with this version. */
export function readHttpObject(): ObjectSpec {
  return read('http')
}

/** Programs that try out what the path relies on. */
export function readSelfTestObject(): ObjectSpec {
  return read('selftest')
}

/** Committed beside their sources; the same place from src/ and from dist/. */
function read(name: string): ObjectSpec {
  const file = new URL(`../../bpf/kernel-http/${name}.bpf.o`, import.meta.url)
  return readObject(readFileSync(file), { name })
}
