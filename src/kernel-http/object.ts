import { createHash } from 'node:crypto'
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

/** Only the same programs may go on with maps of another process. */
export function httpObjectVersion(): string {
  return createHash('sha256')
    .update(readFileSync(fileOf('http')))
    .digest('hex')
    .slice(0, 16)
}

function read(name: string): ObjectSpec {
  return readObject(readFileSync(fileOf(name)), { name })
}

/** Committed beside their sources; the same place from src/ and from dist/. */
function fileOf(name: string): URL {
  return new URL(`../../bpf/kernel-http/${name}.bpf.o`, import.meta.url)
}
