import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { MeshCgroup, tierPlaces } from '../../src/datapath/index.ts'
import { TestMesh } from '../mesh/agent-process.ts'
import { runIn } from './world.ts'

/** An agent of the kernel tier, and programs that run as one of its workloads. */
export class MemberMesh implements AsyncDisposable {
  readonly mesh: TestMesh
  #agent: ChildProcess | undefined

  private constructor(mesh: TestMesh) {
    this.mesh = mesh
  }

  static async create(t: Pick<TestContext, 'after'>, resources: readonly string[]): Promise<MemberMesh> {
    const each = new MemberMesh(await TestMesh.create(t))
    each.mesh.write('mesh.yaml', resources.join(''))
    return each
  }

  async up(...flags: readonly string[]): Promise<void> {
    await this.start({ flags })
  }

  async start({ flags = [], env = {} }: Parameters<TestMesh['up']>[0] = {}): Promise<void> {
    this.#agent = await this.mesh.up({ flags: ['--tier', 'kernel', ...flags], env })
  }

  /** In the cgroup of a workload that is no program of the agent's. @param workload  `shop.client` */
  async run(workload: string, command: readonly string[]): ReturnType<typeof runIn> {
    return await runIn(join(this.cgroup.folder, workload), command)
  }

  get cgroup(): MeshCgroup {
    const found = MeshCgroup.find(tierPlaces(this.mesh.socketPath).cgroup)
    assert.ok(found !== undefined)
    return found
  }

  async kill(signal: 'SIGINT' | 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const agent = this.#agent
    this.#agent = undefined
    if (agent === undefined || agent.exitCode !== null || agent.signalCode !== null) return
    const ended = once(agent, 'exit')
    agent.kill(signal)
    await ended
  }

  /** Nothing may stay, whatever became of the test. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill('SIGTERM')
    const { code, stdout, stderr } = await this.mesh.run('cleanup')
    assert.equal(code, 0, stdout + stderr)
  }
}

/** A workload that no Service has, and whose program is the test's own. */
export const member = (name: string, namespace = 'shop'): string => `
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: ${name}, namespace: ${namespace}, labels: {app: ${name}}}
spec: {port: 1}
`

/** An endpoint of a Service that the test runs itself. */
export const endpoint = (
  service: string,
  port: number,
  { namespace = 'shop', address = '127.0.0.1' }: { namespace?: string; address?: string } = {},
): string => `
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: ${service}-${port}, namespace: ${namespace}}
spec: {service: ${service}, port: ${port}, address: "${address}"}
`

/** @param ports  as in YAML @param more  of the spec */
export const serviceOf = (
  name: string,
  ports: string,
  { namespace = 'shop', more = '' }: { namespace?: string; more?: string } = {},
): string => `
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {ports: [${ports}]${more}}
`

export const closedEgress = (app: string): string => `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {matchLabels: {app: ${app}}}, policyTypes: [Egress]}
`
