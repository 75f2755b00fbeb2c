/** What the shop sells. */
import { setTimeout as sleep } from 'node:timers/promises'
import { notFound, serve } from './serve.ts'

const products = [
  { id: 1, name: 'Loom', price: 249 },
  { id: 2, name: 'Shuttle', price: 19 },
  { id: 3, name: 'Heddle', price: 7 },
]

serve(async (_request, path) => {
  if (path === '/products') return { body: products }
  // Far too slow: the route's timeout ends it.
  if (path === '/report') return sleep(5_000, { body: { sold: 42 } })
  const product = products.find(({ id }) => path === `/products/${id}`)
  return product === undefined ? notFound : { body: product }
})
