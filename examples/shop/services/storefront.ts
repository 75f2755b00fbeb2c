/** The page, and what it needs from the other services, which it asks through the mesh. */
import { ask, notFound, serve } from './serve.ts'

interface Product {
  readonly id: number
  readonly name: string
  readonly price: number
}

function page(products: readonly Product[]): string {
  const rows = products.map(({ id, name, price }) => `<li><a href="/products/${id}">${name}</a> <b>${price} €</b></li>`)
  return `<!doctype html><title>The Heddle shop</title>
<style>body { font: 18px/1.6 sans-serif; margin: 3em auto; max-width: 30em }</style>
<h1>The Heddle shop</h1><ul>${rows.join('')}</ul><p>A loom, right now: <b id="price">…</b> €</p>
<script>
  const live = new WebSocket('ws://' + location.host + '/live')
  live.onmessage = event => { price.textContent = JSON.parse(event.data).price }
</script>\n`
}

serve(async (request, path) => {
  const [, section, id] = path.split('/')
  try {
    if (path === '/') return { body: page((await ask('catalog', '/products', request.headers)) as Product[]) }
    if (section === 'reviews') return { body: await ask('reviews', `/${id}`, request.headers) }
    if (section === 'products') {
      const [product, reviews] = await Promise.all([
        ask('catalog', `/products/${id}`, request.headers),
        ask('reviews', `/${id}`, request.headers),
      ])
      return { body: { product, reviews } }
    }
    return notFound
  } catch (error) {
    return { status: 502, body: { error: String(error) } }
  }
})
