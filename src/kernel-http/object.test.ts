import assert from 'node:assert/strict'
import { test } from 'node:test'
import { httpLayout, readHttpObject } from './object.ts'

test('httpLayout() is the same for other programs, and another for other maps, structs or places of variables', () => {
  const spec = readHttpObject()
  const { btf, globals, maps } = spec
  assert.equal(httpLayout(), httpLayout({ ...spec, programs: [] }))
  const named = (from: string, to: string): typeof btf => {
    const rename = <T extends { readonly name: string }>(each: T): T =>
      each.name === from ? { ...each, name: to } : each
    const types = btf.types.map(type => {
      if (type.kind === 'struct') return { ...type, members: type.members.map(rename) }
      return type.kind === 'enum' ? { ...type, values: type.values.map(rename) } : type
    })
    return { ...btf, types }
  }
  assert.equal(httpLayout({ ...spec, btf: named('KH_NOT_READING', 'KH_ASLEEP') }), httpLayout())
  const others = [
    httpLayout({ ...spec, btf: named('promised', 'offered') }),
    httpLayout({ ...spec, maps: maps.slice(1) }),
    httpLayout({ ...spec, maps: maps.map(map => ({ ...map, kind: 'array' })) }),
    httpLayout({
      ...spec,
      globals: globals.map(each => ({
        ...each,
        variables: each.variables.map(variable => ({ ...variable, offset: variable.offset + 4 })),
      })),
    }),
  ]
  assert.equal(new Set([...others, httpLayout()]).size, 5)
})
