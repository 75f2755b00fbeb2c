// Reads JSON (RFC 8259), as far as tokens and configurations of plugins need it:
// numbers and words stay the text that they are.

export enum Kind {
  missing,
  word,
  text,
  list,
  object,
}

export class Json {
  /** Of an object, in their order. */
  names: string[] = []
  /** Of a list, or of an object as its names. */
  items: Json[] = []

  constructor(
    public kind: Kind,
    public value: string = '',
  ) {}

  /** Missing if there is no such member. */
  get(name: string): Json {
    const index = this.names.lastIndexOf(name)
    return index < 0 ? new Json(Kind.missing) : this.items[index]
  }

  /** The members in the order of a path, `realm.name`. */
  at(path: string): Json {
    const parts = path.split('.')
    let found: Json = this
    for (let index = 0; index < parts.length; index++) found = found.get(parts[index])
    return found
  }

  /** What a text, a word or a list of them has for a header field. */
  toString(): string {
    if (this.kind != Kind.list) return this.value
    return this.items.map<string>((item: Json) => item.value).join(',')
  }
}

/** @returns a missing value if it is no JSON */
export function parseJson(text: string): Json {
  const reader = new Reader(text)
  const result = reader.value(0)
  return reader.isWrong || reader.peek() != 0 ? new Json(Kind.missing) : result
}

class Reader {
  at: i32 = 0
  isWrong: bool = false

  constructor(public text: string) {}

  peek(): i32 {
    while (this.at < this.text.length && ' \n\r\t'.includes(this.text.charAt(this.at))) this.at++
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : 0
  }

  take(wanted: string): bool {
    if (this.peek() != wanted.charCodeAt(0)) return false
    this.at++
    return true
  }

  expect(wanted: string): void {
    if (!this.take(wanted)) this.isWrong = true
  }

  string(): string {
    let result = ''
    this.expect('"')
    while (!this.isWrong) {
      if (this.at >= this.text.length) {
        this.isWrong = true
        break
      }
      const code = this.text.charCodeAt(this.at++)
      if (code == 0x22) break
      if (code < 0x20) this.isWrong = true
      result += code == 0x5c ? this.escaped() : String.fromCharCode(code)
    }
    return result
  }

  escaped(): string {
    const name = this.text.charAt(this.at++)
    const index = '"\\/bfnrt'.indexOf(name)
    if (name != '' && index >= 0) return '"\\/\b\f\n\r\t'.charAt(index)
    const digits = this.text.substr(this.at, 4)
    this.at += 4
    const code = parseInt(digits, 16)
    if (name != 'u' || digits.length < 4 || isNaN(code)) this.isWrong = true
    return String.fromCharCode(<i32>code)
  }

  value(depth: i32): Json {
    const begin = this.peek()
    if (begin == 0 || depth > 32) {
      this.isWrong = true
      return new Json(Kind.missing)
    }
    if (begin == 0x22) return new Json(Kind.text, this.string())
    if (begin == 0x7b) return this.members(new Json(Kind.object), '}', depth)
    if (begin == 0x5b) return this.members(new Json(Kind.list), ']', depth)
    const start = this.at
    while (this.at < this.text.length && !' \n\r\t,]}'.includes(this.text.charAt(this.at))) this.at++
    if (this.at == start) this.isWrong = true
    return new Json(Kind.word, this.text.slice(start, this.at))
  }

  members(result: Json, end: string, depth: i32): Json {
    this.at++
    if (this.take(end)) return result
    do {
      if (result.kind == Kind.object) {
        this.peek()
        result.names.push(this.string())
        this.expect(':')
      }
      result.items.push(this.value(depth + 1))
    } while (!this.isWrong && this.take(','))
    this.expect(end)
    return result
  }
}
