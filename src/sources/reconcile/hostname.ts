/**
 * Hostnames of the Gateway API: exact, or `*.example.com`, which covers any
 * number of labels below `example.com` and never `example.com` itself. (An
 * Ingress means exactly one label; it must not use these functions.) All of
 * them take lower case.
 */

/** Whether every host that `inner` stands for is one that `outer` stands for. */
export function covers(outer: string, inner: string): boolean {
  if (outer === inner) return true
  // For '*.a.b' the suffix is '.a.b': what ends in it has at least one label more.
  return outer.startsWith('*.') && inner.length > outer.length - 1 && inner.endsWith(outer.slice(1))
}

/** The narrower of two hostnames when one covers the other; undefined when they have no host in common. */
export function intersectHostname(a: string, b: string): string | undefined {
  if (covers(a, b)) return b
  if (covers(b, a)) return a
  return undefined
}

/**
 * The hosts a route has on a listener.
 *
 * @param listener  undefined for any host
 * @param route     empty for any host
 * @returns the intersection, empty for any host; undefined when there is none
 */
export function intersectHostnames(
  listener: string | undefined,
  route: readonly string[],
): readonly string[] | undefined {
  if (listener === undefined) return route
  if (route.length === 0) return [listener]
  const common = new Set<string>()
  for (const hostname of route) {
    const narrower = intersectHostname(listener, hostname)
    if (narrower !== undefined) common.add(narrower)
  }
  return common.size === 0 ? undefined : [...common]
}

/** Whether two listeners of one port answer for a common host; undefined is any host. */
export function overlaps(a: string | undefined, b: string | undefined): boolean {
  return a === undefined || b === undefined || intersectHostname(a, b) !== undefined
}

/** Order in which a host is looked up: exact before the wildcard with most labels before none; then by text. */
export function compareSpecificity(a: string | undefined, b: string | undefined): number {
  return rank(b) - rank(a) || compareText(a ?? '', b ?? '')
}

function rank(hostname: string | undefined): number {
  if (hostname === undefined) return 0
  return hostname.startsWith('*.') ? hostname.split('.').length : 1_000
}

/** By code units, so that an order never depends on the machine's locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
