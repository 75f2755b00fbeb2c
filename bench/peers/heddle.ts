import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts, Program } from '../processes.ts'
import type { Contestant, Scene } from './contestant.ts'

const heddle = fileURLToPath(new URL('../../bin/heddle', import.meta.url))

/** The agent as a user runs it: one HTTPRoute per route, two Workloads, metrics, access log to a file; one worker. */
export async function startHeddle(scene: Scene): Promise<Contestant> {
  const home = join(scene.folder, 'heddle')
  await mkdir(join(home, 'mesh'), { recursive: true })
  const [port = 0, adminPort = 0] = await freePorts(2)
  await writeFile(join(home, 'mesh', 'mesh.yaml'), mesh(port, scene.endpointPorts))
  await writeFile(join(home, 'mesh', 'routes.yaml'), scene.routes.map(route).join('---\n'))
  const options = ['--workers', '1', '--admin-address', `127.0.0.1:${adminPort}`]
  const paths = ['--socket-path', join(home, 'agent.sock'), '--access-log', join(home, 'access.log')]
  const program = Program.start('heddle', [heddle, 'up', '-f', join(home, 'mesh'), ...options, ...paths], {
    place: 'proxy',
    logPath: join(home, 'output'),
  })
  await program.answers(`http://127.0.0.1:${port}${scene.routes[0]}/small`)
  return { name: 'heddle', host: '127.0.0.1', port, program }
}

function mesh(port: number, endpointPorts: readonly number[]): string {
  return [
    `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: front }
spec:
  gatewayClassName: heddle
  listeners: [{ name: http, port: ${port}, protocol: HTTP }]
`,
    `apiVersion: v1
kind: Service
metadata: { name: backend }
spec: { ports: [{ port: 9000 }] }
`,
    ...endpointPorts.map(
      (endpoint, index) => `apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: backend-${index} }
spec: { service: backend, port: ${endpoint} }
`,
    ),
  ].join('---\n')
}

function route(path: string): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${path.slice(1)} }
spec:
  parentRefs: [{ name: front }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: ${path} } }]
      backendRefs: [{ name: backend, port: 9000 }]
`
}
