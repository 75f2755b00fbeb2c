/** What Node's buffers have and its types do not tell: the calls below `toString` and `write`. */
interface Latin1Buffer extends Buffer {
  latin1Slice(from: number, to: number): string
  latin1Write(text: string, at: number, length: number): number
}

/** bytes[from,to) as a string, each byte one character. */
export function readLatin1(bytes: Buffer, from: number, to: number): string {
  return (bytes as Latin1Buffer).latin1Slice(from, to)
}

/** Up to it, a loop is faster than a call into the runtime: paths and request ids are. */
const shortText = 48

/** Writes each character as one byte; returns the place after the last. */
export function writeLatin1(text: string, into: Buffer, at: number): number {
  const length = text.length
  if (length > shortText) return at + (into as Latin1Buffer).latin1Write(text, at, length)
  let position = at
  for (let index = 0; index < length; index++) into[position++] = text.charCodeAt(index)
  return position
}
