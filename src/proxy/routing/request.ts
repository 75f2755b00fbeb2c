/** What matching may ask of a request; the engine implements it lazily over the bytes as received. */
export interface RouteRequest {
  readonly method: string
  /** Without port, lower case, no final dot. */
  readonly host: string
  /** Without query, in the form that `normalizePath` gives; never empty. */
  readonly path: string
  /** Without its question mark; empty for none. */
  readonly query: string
  /** Value of the field (several joined by `, `); the name is given in lower case. */
  header(lowerName: string): string | undefined
}
