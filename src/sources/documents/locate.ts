import { isAlias, isMap, isScalar, isSeq } from 'yaml'
import type { Document, Node } from 'yaml'
import type { NodesResult } from './parse-document.ts'
import type { Place } from '../schema/resource.ts'

const segment = /\[([0-9]+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.[\]]+)/g

/** The parts of a path as `formatPath` writes it. */
export function parsePath(path: string): (string | number)[] {
  const segments: (string | number)[] = []
  for (const [, index, quoted, word] of path.matchAll(segment)) {
    if (index !== undefined) segments.push(Number(index))
    else if (quoted !== undefined) segments.push(String(JSON.parse(quoted)))
    else if (word !== undefined) segments.push(word)
  }
  return segments
}

/** Where the path stands in the document, or as much of it as there is. */
export function placeOf(nodes: NodesResult & { readonly kind: 'nodes' }, path: readonly (string | number)[]): Place {
  let node = resolve(nodes.document.contents, nodes.document)
  let offset = node?.range?.[0] ?? 0
  for (const part of path) {
    const child = childOf(node, part)
    if (child === undefined) break
    offset = child.offset
    node = resolve(child.node, nodes.document)
  }
  const { line, col } = nodes.lines.linePos(offset)
  return { line: Math.max(line, 1), column: Math.max(col, 1) }
}

/** A member stands where its key stands, an item where it begins. */
function childOf(
  node: Node | undefined,
  part: string | number,
): { readonly node: unknown; readonly offset: number } | undefined {
  if (isMap(node)) {
    for (const pair of node.items) {
      if (!isScalar(pair.key) || String(pair.key.value) !== String(part)) continue
      return { node: pair.value, offset: pair.key.range?.[0] ?? 0 }
    }
    return undefined
  }
  if (!isSeq(node)) return undefined
  const item = node.items[Number(part)]
  if (item === undefined) return undefined
  return { node: item, offset: (item as Node).range?.[0] ?? node.range?.[0] ?? 0 }
}

function resolve(node: unknown, document: Document): Node | undefined {
  if (isAlias(node)) return node.resolve(document)
  return isMap(node) || isSeq(node) || isScalar(node) ? node : undefined
}
