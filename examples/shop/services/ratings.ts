/** Stars. FAILS is the share of requests that it answers with 503: the route retries those. */
import { serve } from './serve.ts'

const fails = Number(process.env['FAILS'] ?? 0)

serve((_request, path) => {
  if (Math.random() < fails) return { status: 503, body: { error: 'ratings has a bad moment' } }
  return { body: { stars: 3 + (path.length % 3), by: process.env['INSTANCE'] } }
})
