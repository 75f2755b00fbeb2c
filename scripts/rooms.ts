/**
 * Checks the one-way arrows between the rooms of src/ (`src/rooms.json`).
 *
 * A file belongs to the longest room whose folder it lies in, so that
 * `src/proxy/routing/trie.ts` is in `proxy/routing`. What it may import:
 *
 * - files of its own room, but not its own room's `index.ts`: that is how cycles start;
 * - files of its own room's sub-rooms (never the other way, unless listed);
 * - of a room it is allowed, only `index.ts`;
 * - of other packages, `node:` modules and the runtime dependencies.
 *
 * Tests (`*.test.ts`) and test helpers (`testing.ts`, `contract.ts`) may besides
 * import anything of the same top-level room, its `index.ts` included, the
 * `testing.ts` of an allowed room, everything under test/ and development
 * dependencies. Nobody else may import them. A file of a room that only tests
 * use is no product file, but obeys the product's rules all the same.
 *
 * `import type`, `import('./x.ts')` in a type, re-exports, dynamic imports and
 * `new URL('./x.ts', import.meta.url)` (worker threads) count alike. Inside a
 * room there are no cycles; only the URL of a worker may point back.
 */
import { posix } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'

/** Room to the rooms it may use, as in rooms.json. */
export type Rooms = Readonly<Record<string, readonly string[]>>

/** Text by path, relative to the repository, `src/core/clock.ts`. */
export type SourceFiles = ReadonlyMap<string, string>

interface Import {
  readonly specifier: string
  /** True for a worker's URL, which may close a circle. */
  readonly isUrl: boolean
}

/** @returns every breach, `src/policy/x.ts imports src/kernel/map.ts: policy may use core, model` */
export function checkRooms(rooms: Rooms, files: SourceFiles, dependencies: readonly string[]): readonly string[] {
  const breaches: string[] = [...checkTable(rooms)]
  const edges = new Map<string, string[]>()
  for (const [path, text] of files) {
    const room = roomOf(rooms, path)
    if (room === undefined) {
      breaches.push(`${path} lies in no room: src/rooms.json lists ${Object.keys(rooms).join(', ')}`)
      continue
    }
    const targets: string[] = []
    edges.set(path, targets)
    for (const { specifier, isUrl } of importsOf(path, text)) {
      if (!specifier.startsWith('.')) {
        const breach = checkPackage(path, specifier, dependencies)
        if (breach !== undefined) breaches.push(breach)
        continue
      }
      const target = posix.join(posix.dirname(path), specifier)
      const breach = checkFile(rooms, files, { path, room, target })
      if (breach !== undefined) breaches.push(breach)
      else if (!isUrl && topOf(roomOf(rooms, target)) === topOf(room)) targets.push(target)
    }
  }
  for (const circle of findCircles(edges)) {
    breaches.push(`${circle.join(' → ')}: a circle; move what both need into a file that imports neither`)
  }
  return breaches
}

/** The table itself: only known rooms, and no two rooms that may use each other. */
function checkTable(rooms: Rooms): string[] {
  const breaches: string[] = []
  const reaches = (from: string, to: string, seen: Set<string>): boolean => {
    if (from === to) return true
    if (seen.has(from)) return false
    seen.add(from)
    return (rooms[from] ?? []).some(next => reaches(next, to, seen))
  }
  for (const [room, allowed] of Object.entries(rooms)) {
    for (const other of allowed) {
      if (rooms[other] === undefined) breaches.push(`src/rooms.json: ${room} may use ${other}, which is not a room`)
      else if (reaches(other, room, new Set())) breaches.push(`src/rooms.json: ${room} and ${other} use each other`)
    }
  }
  return breaches
}

function roomOf(rooms: Rooms, path: string): string | undefined {
  let best: string | undefined
  for (const room of Object.keys(rooms)) {
    if (path.startsWith(`src/${room}/`) && (best === undefined || room.length > best.length)) best = room
  }
  return best
}

function topOf(room: string | undefined): string | undefined {
  return room?.split('/')[0]
}

function isTest(path: string): boolean {
  return path.endsWith('.test.ts') || isTestHelper(path)
}

function isTestHelper(path: string): boolean {
  return path.endsWith('/testing.ts') || path.endsWith('/contract.ts')
}

function importsOf(path: string, text: string): Import[] {
  const { program, errors } = parseSync(path, text)
  const first = errors[0]
  if (first !== undefined) throw new Error(`${path}: ${first.message}`)
  const found: Import[] = []
  const add = (node: { type: string; value?: unknown } | null): void => {
    if (node?.type === 'Literal' && typeof node.value === 'string') found.push({ specifier: node.value, isUrl: false })
  }
  new Visitor({
    ImportDeclaration: node => add(node.source),
    ExportNamedDeclaration: node => add(node.source),
    ExportAllDeclaration: node => add(node.source),
    ImportExpression: node => add(node.source),
    TSImportType: node => add(node.source),
  }).visit(program)
  for (const match of text.matchAll(/new URL\(\s*['"](\.[^'"]+\.ts)['"]\s*,\s*import\.meta\.url/g)) {
    found.push({ specifier: match[1] ?? '', isUrl: true })
  }
  return found
}

function checkPackage(path: string, specifier: string, dependencies: readonly string[]): string | undefined {
  if (isTest(path) || specifier.startsWith('node:')) return undefined
  if (dependencies.some(name => specifier === name || specifier.startsWith(`${name}/`))) return undefined
  return `${path} imports ${specifier}: the product may use node:* and ${dependencies.join(', ')}`
}

function checkFile(
  rooms: Rooms,
  files: SourceFiles,
  edge: { readonly path: string; readonly room: string; readonly target: string },
): string | undefined {
  const { path, room, target } = edge
  const told = `${path} imports ${target}`
  if (!target.startsWith('src/')) {
    return isTest(path) && target.startsWith('test/') ? undefined : `${told}: the product stays inside src/`
  }
  const targetRoom = roomOf(rooms, target)
  if (targetRoom === undefined) return `${told}: no room`
  if (target.endsWith('.ts') && !files.has(target)) return `${told}: no such file`
  if (isTest(target) && !(isTest(path) && isTestHelper(target))) return `${told}: that is for tests only`
  if (isTest(path) && topOf(targetRoom) === topOf(room)) return undefined
  const door = `src/${targetRoom}/index.ts`
  if (targetRoom === room) {
    return target === door ? `${told}: inside a room import the file itself, not the door` : undefined
  }
  if (targetRoom.startsWith(`${room}/`)) return undefined
  const allowed = rooms[room] ?? []
  if (!allowed.includes(targetRoom)) return `${told}: ${room} may use ${allowed.join(', ') || 'nothing'}`
  if (target === door || isTestHelper(target)) return undefined
  return `${told}: ${targetRoom} is entered through ${door}`
}

/** One circle per group of files that reach each other (Tarjan's strongly connected components). */
function findCircles(edges: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const order = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const circles: string[][] = []
  const visit = (path: string): void => {
    const index = order.size
    order.set(path, index)
    low.set(path, index)
    stack.push(path)
    for (const next of edges.get(path) ?? []) {
      if (!order.has(next)) visit(next)
      if (stack.includes(next)) low.set(path, Math.min(low.get(path) ?? index, low.get(next) ?? index))
    }
    if (low.get(path) !== index) return
    const group = stack.splice(stack.indexOf(path))
    if (group.length > 1 || (edges.get(path) ?? []).includes(path)) circles.push(shortestCircle(edges, group))
  }
  for (const path of edges.keys()) if (!order.has(path)) visit(path)
  return circles
}

function shortestCircle(edges: ReadonlyMap<string, readonly string[]>, group: readonly string[]): string[] {
  const start = [...group].sort()[0] ?? ''
  let paths: string[][] = [[start]]
  const seen = new Set<string>()
  while (paths.length > 0) {
    const next: string[][] = []
    for (const walked of paths) {
      for (const target of edges.get(walked.at(-1) ?? '') ?? []) {
        if (target === start) return [...walked, start]
        if (group.includes(target) && !seen.has(target)) {
          seen.add(target)
          next.push([...walked, target])
        }
      }
    }
    paths = next
  }
  return [...group]
}
