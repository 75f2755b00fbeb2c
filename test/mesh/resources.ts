import type { TestMesh } from './agent-process.ts'

/** A program that says who it is; it answers `/slow` half a second later, `/never` not at all, and resets at `/reset`. */
export const program: string = `
const name = process.env.NAME
require('node:http').createServer((request, response) => {
  const answer = () => response.end(name + ' ' + process.pid + '\\n')
  if (request.url.endsWith('/never')) return
  if (request.url.endsWith('/reset')) return request.socket.resetAndDestroy()
  if (request.url.endsWith('/slow')) setTimeout(answer, 500)
  else answer()
}).listen(process.env.PORT, process.env.LISTEN_ADDRESS || '127.0.0.1', () => console.log(name + ' listens'))`

export const gateway = (port: number): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: heddle}
spec: {controllerName: heddle.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  gatewayClassName: heddle
  listeners: [{name: http, port: ${port}, protocol: HTTP}]
`

/** @param appProtocol  what its endpoints speak. @default HTTP/1.1 */
export const service = (name: string, appProtocol?: string): string => `
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {ports: [{port: 9080${appProtocol === undefined ? '' : `, appProtocol: ${appProtocol}`}}]}
`

export const workload = (name: string, serviceName: string, port: number, address = '127.0.0.1'): string => `
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: ${name}, namespace: shop}
spec:
  service: ${serviceName}
  port: ${port}
  address: "${address}"
  process:
    command: [${JSON.stringify(process.execPath)}, -e, ${JSON.stringify(program)}]
    env: {NAME: ${name}, LISTEN_ADDRESS: "${address}"}
`

export const route = (backends: readonly (readonly [string, number])[], name = 'all', prefix = '/'): string => `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}, namespace: shop}
spec:
  parentRefs: [{name: web}]
  rules:
  - matches: [{path: {type: PathPrefix, value: ${prefix}}}]
    backendRefs: [${backends.map(([backend, weight]) => `{name: ${backend}, port: 9080, weight: ${weight}}`).join(', ')}]
`

/** Waits until the programs answer, since the agent is ready before they are. */
export async function answering(mesh: TestMesh, target: string, expected: RegExp): Promise<void> {
  await mesh.until(async () => {
    const answer = await mesh.get(target).catch(() => undefined)
    return answer?.status === 200 && expected.test(answer.body)
  })
}
