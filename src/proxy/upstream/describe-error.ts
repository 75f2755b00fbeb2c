/** In a word why a connection closed. */
export function describeError(error: Error | undefined): string {
  if (error === undefined) return 'connection closed'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}
