/** What `npm start` prints. The commands are run as they stand by scripts/smoke.ts. */
const shop = 'http://127.0.0.1:8080'

export const thingsToTry: readonly (readonly [about: string, command: string])[] = [
  ['A product: storefront asks catalog and reviews through the mesh', `curl -s ${shop}/products/1`],
  [
    'Nine of ten calls reach version 1 of reviews',
    `for i in $(seq 20); do curl -s ${shop}/reviews/1 | grep -o '"version":"v."'; done | sort | uniq -c`,
  ],
  [
    'Testers get version 3; its ratings fail now and then, and are tried again',
    `curl -s -H 'x-tester: yes' ${shop}/reviews/1`,
  ],
  [
    'A cart is kept by one of two instances; the cookie leads back to it',
    `curl -s -c .cart -b .cart -X POST ${shop}/cart/loom; curl -s -c .cart -b .cart ${shop}/cart; rm -f .cart`,
  ],
  ['An order, of which the next version gets a copy', `curl -s -X POST ${shop}/orders; curl -s ${shop}/orders-next`],
  ['A redirect, answered by Heddle', `curl -si ${shop}/old-shop/loom`],
  [
    'CORS, a rewritten path and a changed header',
    `curl -si -H 'origin: https://partner.example' ${shop}/api/catalog/products`,
  ],
  ['Too slow for the timeout of its route: 504, with the reason', `curl -si ${shop}/api/catalog/report`],
  [
    'Two seconds of prices over a WebSocket',
    `curl -sN --http1.1 --max-time 2 -H 'connection: upgrade' -H 'upgrade: websocket' -H 'sec-websocket-version: 13' -H 'sec-websocket-key: aGVkZGxlaGVkZGxlaGVkZA==' ${shop}/live | tr -cd '[:print:]'; echo`,
  ],
  ['Which route takes a request, and why', `npx heddle explain GET ${shop}/api/catalog/products`],
]

/** @param tier  what leads calls between the shop's services */
export function whatToTry(statusPage: string, tier: 'kernel' | 'user'): string {
  const lines = thingsToTry.map(([about, command]) => `  ${about}:\n    ${command}\n`)
  return `
The shop is open: ${shop} in a browser, its mesh at ${statusPage}
Its services call each other ${tier === 'kernel' ? 'by plain names such as http://ratings:9000/: the kernel leads them' : 'at addresses that the agent gives them; as root, by plain names'}.
Try, in another terminal in this folder:

${lines.join('\n')}
  Move all traffic to version 2 of reviews, without losing a request: change the
  weights in examples/shop/3-reviews.yaml to 0 and 100 and save, then count again.

Stop with Ctrl-C.
`
}
