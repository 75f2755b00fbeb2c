/** Keeps carts in memory, one per instance: the route's session persistence leads a shopper back to the same one. */
import { serve } from './serve.ts'

const items: string[] = []

serve((request, path) => {
  if (request.method === 'POST') items.push(path.slice(1))
  return { body: { instance: process.env['INSTANCE'], channel: request.headers['x-shop-channel'], items } }
})
