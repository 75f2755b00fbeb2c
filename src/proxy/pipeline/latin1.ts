/** Whether `bytes[start, end)` are the characters of `text`: cheaper than making a string of them that was made before. */
export function equalsLatin1(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (text.length !== end - start) return false
  for (let at = 0; at < text.length; at++) if (bytes[start + at] !== text.charCodeAt(at)) return false
  return true
}

/** Writes a short text of our own without a call into the runtime. @returns the offset behind it */
export function writeShort(to: Buffer, at: number, text: string): number {
  for (let index = 0; index < text.length; index++) to[at + index] = text.charCodeAt(index)
  return at + text.length
}
