import { indexingOf, indexings } from './field-kinds.ts'
import { HeaderEntry, nameOf } from './header-entry.ts'
import { staticFields } from './static-fields.ts'

/** The static table; index 0 holds what no index may name. */
export const staticTable: readonly HeaderEntry[] = ['', ...staticFields.keys()].map((_, index) => {
  const [name, value] = staticFields[index - 1] ?? ['', '']
  const known = nameOf(name)
  return new HeaderEntry(known, value, indexingOf(known.nameId, value.length, indexings.allowed), index)
})
