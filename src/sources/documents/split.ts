/** One document of a YAML stream, with the marker line that starts it. */
export interface DocumentText {
  readonly text: string
  /** Line in the file of the text's first line, counted from 1. */
  readonly line: number
}

/**
 * Cuts a YAML stream at its document markers, so that a mistake in one document
 * leaves the others readable. A `---` or `...` at the start of a line ends
 * whatever is open, even quotes and block scalars (YAML 1.2.2 section 9.1.2), so
 * cutting needs no parser. Documents of blanks and comments are left out.
 */
export function splitDocuments(text: string): DocumentText[] {
  const documents: DocumentText[] = []
  let start = text.charCodeAt(0) === 0xfeff ? 1 : 0
  let line = 1
  let hasDirectives = false
  const add = (end: number): void => {
    const part = text.slice(start, end)
    const content = contentOf(part)
    // Directives belong to the document whose marker follows them.
    hasDirectives = content === 'directives'
    if (hasDirectives) return
    if (content === 'something') documents.push({ text: part, line })
    line += countLines(part)
    start = end
  }
  const marker = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)/gm
  marker.lastIndex = start
  for (let found = marker.exec(text); found !== null; found = marker.exec(text)) {
    if (found.index === start) continue
    if (found[0] === '---') {
      add(found.index)
    } else {
      const after = text.indexOf('\n', found.index)
      add(after === -1 ? text.length : after + 1)
    }
  }
  if (start < text.length) {
    const rest = text.slice(start)
    // Directives that no document follows go on, and the parser says what it thinks of them.
    if (hasDirectives || contentOf(rest) !== 'nothing') documents.push({ text: rest, line })
  }
  return documents
}

function contentOf(part: string): 'nothing' | 'directives' | 'something' {
  let isDirectives = false
  for (let at = 0; at < part.length;) {
    const newline = part.indexOf('\n', at)
    const end = newline === -1 ? part.length : newline
    const first = firstCharacter(part, at, end)
    if (first === '%' && part[at] === '%') isDirectives = true
    else if (part.startsWith('---', at) && isMarkerOnly(part, at + 3, end)) {
      if (isDirectives) return 'something'
    } else if (part.startsWith('...', at) && isMarkerOnly(part, at + 3, end)) {
      // The end of nothing.
    } else if (first !== '' && first !== '#') return 'something'
    at = end + 1
  }
  return isDirectives ? 'directives' : 'nothing'
}

function isMarkerOnly(part: string, from: number, end: number): boolean {
  const first = firstCharacter(part, from, end)
  return first === '' || first === '#'
}

function firstCharacter(part: string, from: number, end: number): string {
  for (let at = from; at < end; at++) {
    const character = part[at] ?? ''
    if (character !== ' ' && character !== '\t' && character !== '\r') return character
  }
  return ''
}

function countLines(part: string): number {
  let count = 0
  for (let at = part.indexOf('\n'); at !== -1; at = part.indexOf('\n', at + 1)) count++
  return count
}
