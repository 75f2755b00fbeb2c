/** The value of a JSON text without duplicate keys; undefined for all else, which the YAML parser then explains. */
export function readJson(text: string): { readonly value: unknown } | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The YAML parser reads it again and says what is wrong and where.
    return undefined
  }
  return hasDuplicateKeys(text) ? undefined : { value }
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g

/** JSON.parse keeps the last of two equal keys in silence. */
function hasDuplicateKeys(text: string): boolean {
  const open: (Set<string> | undefined)[] = []
  let lastString = ''
  for (const [found] of text.matchAll(token)) {
    if (found === '{') open.push(new Set())
    else if (found === '[') open.push(undefined)
    else if (found === '}' || found === ']') open.pop()
    else if (found === ':') {
      const keys = open.at(-1)
      const key: unknown = JSON.parse(lastString)
      if (keys === undefined || typeof key !== 'string') continue
      if (keys.has(key)) return true
      keys.add(key)
    } else lastString = found
  }
  return false
}
