/** Header names are lower case; query names are as written. A regex must match the whole value. */
export interface ValueMatch {
  readonly kind: 'exact' | 'regex'
  readonly name: string
  readonly value: string
}

export interface HeaderValue {
  readonly name: string
  readonly value: string
}
