/** How long a request waits for an agent of the kernel tier that was killed and is started again. */
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, get } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { heddleCommand } from '../peers/heddle.ts'
import { freePorts, output, Program } from '../processes.ts'

const waitMs = 60_000

/** An agent with a Gateway in front of a server of this process. */
export class RestartedAgent implements AsyncDisposable {
  readonly #server: Server
  readonly #command: readonly string[]
  readonly #url: string
  readonly #home: string
  #program: Program

  private constructor(server: Server, command: readonly string[], url: string, home: string) {
    this.#server = server
    this.#command = command
    this.#url = url
    this.#home = home
    this.#program = this.#start()
  }

  static async start(folder: string): Promise<RestartedAgent> {
    const home = join(folder, 'restarted')
    await mkdir(join(home, 'mesh'), { recursive: true })
    const server = createServer((_, response) => response.end('here')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const [port = 0] = await freePorts(1)
    await writeFile(join(home, 'mesh', 'mesh.yaml'), mesh(port, (server.address() as AddressInfo).port))
    const options = ['--tier', 'kernel', '--dns-address', 'off', '--admin-address', '127.0.0.1:0', '--workers', '1']
    const places = ['-f', join(home, 'mesh'), '--socket-path', join(home, 'agent.sock')]
    const command = [heddleCommand, 'up', ...places, ...options, '--service-cidr', '127.98.8.0/24']
    const agent = new RestartedAgent(server, command, `http://127.0.0.1:${port}/`, home)
    await agent.#program.answers(agent.#url)
    return agent
  }

  #start(): Program {
    return Program.start('heddle', this.#command, { place: 'proxy', logPath: join(this.#home, 'output') })
  }

  /** Milliseconds until a request is answered whose connection was made while no agent ran, as it is started again. */
  async gapMs(): Promise<number> {
    await this.#program.kill()
    const answered = this.#ask()
    // It is in the backlog by now.
    await sleep(50)
    const startMs = performance.now()
    this.#program = this.#start()
    await answered
    return performance.now() - startMs
  }

  #ask(): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = get(this.#url, { agent: false, timeout: waitMs }, response => {
        if (response.statusCode !== 200) reject(new Error(`a request that waited got ${response.statusCode}`))
        response.resume().once('end', resolve)
      })
      request.once('error', reject).once('timeout', () => request.destroy(new Error('a request waited for a minute')))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]()
    this.#server.close()
    await output([heddleCommand, 'cleanup', '--socket-path', join(this.#home, 'agent.sock')])
  }
}

function mesh(port: number, backend: number): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: front }
spec:
  gatewayClassName: heddle
  listeners: [{ name: front, port: ${port}, protocol: HTTP }]
---
apiVersion: v1
kind: Service
metadata: { name: backend }
spec: { ports: [{ port: 9000 }] }
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: backend-0 }
spec: { service: backend, port: ${backend} }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: all }
spec:
  parentRefs: [{ name: front }]
  rules: [{ backendRefs: [{ name: backend, port: 9000 }] }]
`
}
