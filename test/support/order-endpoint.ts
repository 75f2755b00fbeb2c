import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

/**
 * Starts an endpoint that answers with the `x-order` of its request: in which order plugins of test/guests/mark.cc saw it.
 *
 * @returns resources of the Service `shop/back`, port 80, whose endpoint it is
 */
export async function openOrderEndpoint(t: TestContext): Promise<string> {
  const server = http.createServer((request, response) => response.end(String(request.headers['x-order'])))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `apiVersion: v1
kind: Service
metadata: {name: back, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: back-1, namespace: shop, labels: {kubernetes.io/service-name: back}}
addressType: IPv4
ports: [{port: ${(server.address() as AddressInfo).port}}]
endpoints: [{addresses: [127.0.0.1]}]
`
}
