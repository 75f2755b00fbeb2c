/** `port_be` of C is `portBe` here; what is written otherwise (`IPv4`, `_pad`) keeps its letters. */
export function fieldName(name: string): string {
  return name.replaceAll(/([a-z0-9])_([a-z0-9])/g, (_, before: string, after: string) => before + after.toUpperCase())
}
