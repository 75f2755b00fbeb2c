import { codeBits, codeLengths, endOfString } from './huffman-code.ts'

/**
 * Decodes four bits at a time: `steps[state * 16 + nibble]` holds the next
 * state in its low bits, and whether the nibble ended a symbol. No code is
 * shorter than five bits, so it is one at most.
 */
const stateMask = 0xff
const hasSymbol = 0x100
/** The input may end here: what is left are at most seven bits of the code of EOS (RFC 7541 section 5.2). */
const mayEnd = 0x200
/** The code of EOS was completed, which is an error. */
const failed = 0x400
const symbolShift = 16

interface Node {
  /** `inner` unless it is a leaf. */
  symbol: number
  state: number
  mayEnd: boolean
  readonly next: (Node | undefined)[]
}

const inner = -1

const steps: Uint32Array = buildSteps()

function buildTree(): Node[] {
  const root: Node = { symbol: inner, state: 0, mayEnd: true, next: [undefined, undefined] }
  const nodes = [root]
  for (const [symbol, length] of codeLengths.entries()) {
    let node = root
    const code = codeBits[symbol] as number
    let onlyOnes = true
    for (let depth = 1; depth <= length; depth++) {
      const bit = (code >>> (length - depth)) & 1
      onlyOnes &&= bit === 1
      let child = node.next[bit]
      if (child === undefined) {
        child = { symbol: inner, state: nodes.length, mayEnd: onlyOnes && depth <= 7, next: [undefined, undefined] }
        if (depth === length) child.symbol = symbol
        else nodes.push(child)
        node.next[bit] = child
      }
      node = child
    }
  }
  return nodes
}

function buildSteps(): Uint32Array {
  const nodes = buildTree()
  const root = nodes[0] as Node
  const table = new Uint32Array(nodes.length * 16)
  for (const start of nodes) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = start
      let step = 0
      for (let bit = 3; bit >= 0; bit--) {
        const child = node.next[(nibble >>> bit) & 1] as Node
        if (child.symbol === inner) node = child
        else {
          step |= child.symbol === endOfString ? failed : hasSymbol | (child.symbol << symbolShift)
          node = root
        }
      }
      table[start.state * 16 + nibble] = step | node.state | (node.mayEnd ? mayEnd : 0)
    }
  }
  return table
}

/** No symbol takes fewer bits than five. */
export function maxDecodedBytes(encodedBytes: number): number {
  return Math.floor((encodedBytes * 8) / 5)
}

/**
 * Decodes bytes[from,to) into `into` at 0, which holds `maxDecodedBytes`.
 *
 * @returns how many bytes it wrote, or -1 when EOS is in it or its padding is
 *   longer than seven bits or has a bit that is not of EOS (RFC 7541 section 5.2)
 */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number, into: Uint8Array): number {
  let step = mayEnd
  let length = 0
  for (let position = from; position < to; position++) {
    const byte = bytes[position] as number
    step = steps[((step & stateMask) << 4) | (byte >>> 4)] as number
    if (step & (hasSymbol | failed)) {
      if (step & failed) return -1
      into[length++] = step >>> symbolShift
    }
    step = steps[((step & stateMask) << 4) | (byte & 15)] as number
    if (step & (hasSymbol | failed)) {
      if (step & failed) return -1
      into[length++] = step >>> symbolShift
    }
  }
  return step & mayEnd ? length : -1
}

/** Length of a latin1 string in Huffman code. */
export function encodedHuffmanBytes(text: string): number {
  let bits = 0
  for (let index = 0; index < text.length; index++) bits += codeLengths[text.charCodeAt(index)] as number
  return (bits + 7) >>> 3
}

/** Writes a latin1 string in Huffman code; returns the place after it. */
export function encodeHuffman(text: string, into: Uint8Array, at: number): number {
  let position = at
  // At most seven bits wait; with a code of 30 bits that exceeds 32, so the number is not treated as 32 bits.
  let waiting = 0
  let count = 0
  for (let index = 0; index < text.length; index++) {
    const symbol = text.charCodeAt(index)
    const length = codeLengths[symbol] as number
    waiting = waiting * 2 ** length + (codeBits[symbol] as number)
    count += length
    while (count >= 8) {
      count -= 8
      const unit = 2 ** count
      const byte = Math.floor(waiting / unit)
      into[position++] = byte
      waiting -= byte * unit
    }
  }
  if (count > 0) into[position++] = (waiting << (8 - count)) | (0xff >>> count)
  return position
}
