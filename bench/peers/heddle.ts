import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts, Program } from '../processes.ts'
import { contestant } from './contestant.ts'
import type { Contestant, Scene, SceneMutual, ScenePlugin, SceneTls } from './contestant.ts'

/** Of this tree. */
export const heddleCommand: string = fileURLToPath(new URL('../../bin/heddle', import.meta.url))

/** The agent as a user without root runs it: one HTTPRoute (GRPCRoute) per route, two Workloads, metrics, access log to a file; one worker. */
export async function startHeddle(scene: Scene): Promise<Contestant> {
  const home = join(scene.folder, 'heddle')
  // Not beside the access log: the folder of what is configured is watched, and each write there would wake the agent.
  const files = join(home, 'configuration', 'mesh')
  await mkdir(files, { recursive: true })
  const [port = 0, adminPort = 0, plainPort = 0] = await freePorts(3)
  await writeFile(join(files, 'mesh.yaml'), await mesh({ port, plainPort }, scene))
  await writeFile(
    join(files, 'routes.yaml'),
    scene.routes.map(scene.endpoints === 'grpc' ? grpcRoute : path => route(path, scene)).join('---\n'),
  )
  const options = ['--tier', 'user', '--workers', '1', '--admin-address', `127.0.0.1:${adminPort}`]
  const paths = ['--socket-path', join(home, 'agent.sock'), '--access-log', join(home, 'access.log')]
  const program = Program.start('heddle', [heddleCommand, 'up', '-f', files, ...options, ...paths], {
    place: 'proxy',
    logPath: join(home, 'output'),
  })
  const started = await contestant('heddle', scene, port, program)
  return scene.plugin === undefined ? started : { ...started, plainPort }
}

interface Ports {
  readonly port: number
  readonly plainPort: number
}

async function mesh(
  { port, plainPort }: Ports,
  { endpointPorts, tls, mutual, endpoints = 'http1', plugin }: Scene,
): Promise<string> {
  const protocol = tls === undefined ? 'protocol: HTTP' : 'protocol: HTTPS, tls: { certificateRefs: [{ name: front }] }'
  return [
    `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: front }
spec:
  gatewayClassName: heddle
  listeners: [{ name: front, port: ${port}, ${protocol} }]
${mutual === undefined ? '' : '  tls: { backend: { clientCertificateRef: { name: client } } }'}
`,
    `apiVersion: v1
kind: Service
metadata: { name: backend }
spec: { ports: [{ port: 9000${endpoints === 'http1' ? '' : ', appProtocol: kubernetes.io/h2c'} }] }
`,
    ...(tls === undefined ? [] : [await secret('front', tls)]),
    ...(mutual === undefined ? [] : await policy(mutual)),
    ...(plugin === undefined ? [] : [plainGateway(plainPort), wasmPlugin(plugin)]),
    ...endpointPorts.map(
      (endpoint, index) => `apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: backend-${index} }
spec: { service: backend, port: ${endpoint} }
`,
    ),
  ].join('---\n')
}

function plainGateway(port: number): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: plain }
spec:
  gatewayClassName: heddle
  listeners: [{ name: front, port: ${port}, protocol: HTTP }]
`
}

function wasmPlugin({ module, configuration }: ScenePlugin): string {
  return `apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: bench }
spec:
  url: file://${module}
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: front }]
${configuration === '' ? '' : `  pluginConfig: ${configuration}\n`}`
}

async function secret(name: string, { chain, key }: SceneTls): Promise<string> {
  return `apiVersion: v1
kind: Secret
metadata: { name: ${name} }
type: kubernetes.io/tls
data: { tls.crt: ${await readFile(chain, 'base64')}, tls.key: ${await readFile(key, 'base64')} }
`
}

async function policy({ authority, name, client }: SceneMutual): Promise<readonly string[]> {
  return [
    await secret('client', client),
    `apiVersion: v1
kind: ConfigMap
metadata: { name: authority }
data: { ca.crt: ${JSON.stringify(await readFile(authority, 'utf8'))} }
`,
    `apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: backend }
spec:
  targetRefs: [{ group: '', kind: Service, name: backend }]
  validation: { hostname: ${name}, caCertificateRefs: [{ group: '', kind: ConfigMap, name: authority }] }
`,
  ]
}

function route(path: string, { plugin }: Scene): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${path.slice(1)} }
spec:
  parentRefs: [{ name: front }${plugin === undefined ? '' : ', { name: plain }'}]
  rules:
    - matches: [{ path: { type: PathPrefix, value: ${path} } }]
      backendRefs: [{ name: backend, port: 9000 }]
`
}

function grpcRoute(path: string): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: ${path.slice(1).toLowerCase()} }
spec:
  parentRefs: [{ name: front }]
  rules:
    - matches: [{ method: { service: ${path.slice(1)} } }]
      backendRefs: [{ name: backend, port: 9000 }]
`
}
