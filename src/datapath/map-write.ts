import type { Maps } from './generated/sockets.ts'

type MapName = keyof Maps

/** One edit of one map. Lists of them are carried out in their order. */
export type MapWrite = {
  [Name in MapName]:
    | {
        readonly kind: 'set'
        readonly map: Name
        readonly key: Maps[Name]['key']
        readonly value: Maps[Name]['value']
      }
    | { readonly kind: 'delete'; readonly map: Name; readonly key: Maps[Name]['key'] }
}[MapName]

export function setEntry<Name extends MapName>(
  map: Name,
  key: Maps[Name]['key'],
  value: Maps[Name]['value'],
): MapWrite {
  return { kind: 'set', map, key, value } as MapWrite
}

export function deleteEntry<Name extends MapName>(map: Name, key: Maps[Name]['key']): MapWrite {
  return { kind: 'delete', map, key } as MapWrite
}
