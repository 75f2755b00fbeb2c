import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { generateTypes, readObject } from '../kernel/index.ts'
import type { ObjectSpec } from '../kernel/index.ts'

/** The programs of the path, as they come with this version. */
export function readHttpObject(): ObjectSpec {
  return read('http')
}

/** Programs that try out what the path relies on. */
export function readSelfTestObject(): ObjectSpec {
  return read('selftest')
}

/** Raise it where a field, or an order in which fields are written, means something else than before. */
const meaning = 1

/**
 * Of what programs and the agent tell one another by. Only who has the same may go on with maps of another process, whatever its
 * programs were: they stay until their last connection has gone to user space. Numbers of enums are never used again, so
 * more of them make no other layout.
 */
export function httpLayout({ maps, globals, ...spec }: ObjectSpec = readHttpObject()): string {
  const types = generateTypes({ ...spec, maps, globals }, { types: ['kh_event', 'kh_sample'] })
  const structs = types.replaceAll(/export const \w+ = \{[^}]*\} as const/g, '')
  const kinds = maps.map(({ name, kind, inner }) => [name, kind, inner?.kind])
  const places = globals.map(({ name, variables }) => [
    name,
    variables.map(each => [each.name, each.offset, each.size]),
  ])
  return createHash('sha256')
    .update(JSON.stringify([meaning, structs, kinds, places]))
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
