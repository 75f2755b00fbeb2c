import type { PathModifier } from '../../model/index.ts'

/**
 * The path to forward or to redirect to; the query is not part of it.
 *
 * @param path in the form that was matched
 * @param matchedPrefix `RouteDecision.matchedPrefix`: without final slash, empty for `/`
 */
export function rewritePath(path: string, matchedPrefix: string, modifier: PathModifier): string {
  if (modifier.kind === 'full') return rooted(modifier.value)
  let end = modifier.value.length
  while (end > 0 && modifier.value[end - 1] === '/') end--
  return rooted(modifier.value.slice(0, end) + path.slice(matchedPrefix.length))
}

/** A request line without a leading slash would be another form of target (RFC 9112 section 3.2). */
function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}
