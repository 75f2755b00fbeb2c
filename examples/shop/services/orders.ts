/** Takes orders. A second instance, `orders-next`, gets a copy of each request by the route's mirror filter. */
import { serve } from './serve.ts'

let count = 0

serve(request => {
  if (request.method === 'POST') count += 1
  return { status: request.method === 'POST' ? 201 : 200, body: { instance: process.env['INSTANCE'], orders: count } }
})
