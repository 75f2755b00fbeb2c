import type { BlockGroup, NetworkBlock } from '../../model/index.ts'
import type { PortGroups } from './port-groups.ts'

/** An allowance for the addresses of a network, save some. */
export interface BlockAllowance {
  readonly block: NetworkBlock
  readonly except: readonly NetworkBlock[]
  /** Of `PortGroups.add`. */
  readonly allowance: number
}

interface Node {
  readonly block: NetworkBlock
  readonly opens: number[]
  readonly closes: number[]
}

/**
 * Turns overlapping networks with exceptions into prefixes of which the longest
 * alone decides. Every network and every exception is a prefix; what holds where
 * it is the longest is what it or a shorter one opens, without what it or a
 * shorter one closes again.
 *
 * @returns longest prefixes first
 */
export function groupBlocks(blocks: readonly BlockAllowance[], groups: PortGroups): readonly BlockGroup[] {
  const found: BlockGroup[] = []
  const path: Node[] = []
  for (const node of nodesOf(blocks)) {
    if (groups.isFull) break
    for (let last = path.at(-1); last !== undefined && !contains(last.block, node.block); last = path.at(-1)) path.pop()
    path.push(node)
    // By the place in the list: the same allowance may be closed for one network and open for another.
    const holding = new Set<number>()
    for (const { opens } of path) for (const index of opens) holding.add(index)
    for (const { closes } of path) for (const index of closes) holding.delete(index)
    const group = groups.groupOf([...holding].flatMap(index => blocks[index]?.allowance ?? []))
    found.push({ ...node.block, group })
  }
  return found.toSorted((a, b) => b.prefixLength - a.prefixLength)
}

/** One per distinct prefix, a prefix before those that lie in it. */
function nodesOf(blocks: readonly BlockAllowance[]): readonly Node[] {
  const nodes = new Map<string, Node>()
  const nodeOf = ({ bytes, prefixLength }: NetworkBlock): Node => {
    // The family comes first, so that the text sorts like the bytes.
    const family = bytes.length === 4 ? 4 : 6
    const key = `${family} ${Buffer.from(bytes).toString('hex')} ${String(prefixLength).padStart(3, '0')}`
    const known = nodes.get(key)
    if (known !== undefined) return known
    const node: Node = { block: { bytes, prefixLength }, opens: [], closes: [] }
    nodes.set(key, node)
    return node
  }
  for (const [index, { block, except }] of blocks.entries()) {
    nodeOf(block).opens.push(index)
    for (const part of except) nodeOf(part).closes.push(index)
  }
  return [...nodes].toSorted((a, b) => (a[0] < b[0] ? -1 : 1)).map(entry => entry[1])
}

/** Whether an address or a smaller network lies in a network. */
export function contains(block: NetworkBlock, part: NetworkBlock): boolean {
  if (block.bytes.length !== part.bytes.length || part.prefixLength < block.prefixLength) return false
  const whole = block.prefixLength >> 3
  for (let at = 0; at < whole; at++) if (block.bytes[at] !== part.bytes[at]) return false
  const rest = block.prefixLength & 7
  if (rest === 0) return true
  const mask = 0xff & (0xff00 >> rest)
  return ((block.bytes[whole] ?? 0) & mask) === ((part.bytes[whole] ?? 0) & mask)
}
