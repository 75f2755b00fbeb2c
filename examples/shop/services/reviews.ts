/** One program, three versions: v1 has no stars, v2 asks ratings for them, v3 shows them in colour. */
import { ask, serve } from './serve.ts'

const version = process.env['VERSION'] ?? 'v1'

serve(async (request, path) => {
  const reviews = ['Weaves like a dream.', 'My cat loves it.']
  if (version === 'v1') return { body: { version, reviews } }
  try {
    const rating = await ask('ratings', path, request.headers)
    return { body: { version, reviews, rating, colour: version === 'v3' ? 'gold' : 'black' } }
  } catch (error) {
    return { body: { version, reviews, rating: String(error) } }
  }
})
