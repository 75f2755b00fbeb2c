import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestMesh } from '../mesh/agent-process.ts'
import { gateway, route, service } from '../mesh/resources.ts'
import type { Ledger } from './ledger.ts'

const backend = new URL('backend.ts', import.meta.url).pathname

export interface SoakMesh {
  readonly mesh: TestMesh
  readonly ledger: Ledger
  readonly random: () => number
  /** Of `endpointNames`. */
  readonly ports: readonly number[]
}

/** Those of c speak HTTP/2. */
export const endpointNames = ['a-1', 'a-2', 'a-3', 'b-1', 'b-2', 'c-1', 'c-2'] as const
/** Without the one that comes and goes. */
export const lastingEndpoints: number = endpointNames.length - 1

/** @param extra  with the endpoint that comes and goes */
export function writeMesh({ mesh, ports }: SoakMesh, extra: boolean): void {
  const present = endpointNames.filter(name => extra || name !== 'a-3')
  const workloads = present.map(name => workload(mesh, name, ports[endpointNames.indexOf(name)] ?? 0))
  const services = service('a') + service('b') + service('c', 'kubernetes.io/h2c')
  mesh.write('mesh.yaml', gateway(mesh.gatewayPort) + services + workloads.join(''))
}

export function writeWeights({ mesh }: SoakMesh, weight: number): void {
  const shares = [
    ['a', weight],
    ['b', 10 - weight],
  ] as const
  // The service by HTTP/2 has no WebSocket.
  mesh.write('route.yaml', route([...shares, ['c', 5]]) + route(shares, 'sockets', '/socket'))
}

function workload(mesh: TestMesh, name: string, port: number): string {
  const command = JSON.stringify([process.execPath, '--disable-warning=ExperimentalWarning', backend])
  return `
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: ${name}, namespace: shop}
spec:
  service: ${name.slice(0, 1)}
  port: ${port}
  process:
    command: ${command}
    env: {NAME: ${name}, SPEAKS: ${name.startsWith('c') ? 'h2c' : 'http1'}, PID_FILE: ${JSON.stringify(pidFile(mesh, name))}}
    restartBackoff: 100ms
`
}

function pidFile(mesh: TestMesh, name: string): string {
  return join(mesh.directory, `${name}.pid`)
}

/** Edits, arrivals, departures and deaths, one after the other, until the signal. @returns how many there were */
export async function disturb(soak: SoakMesh, signal: AbortSignal): Promise<number> {
  const { mesh, random } = soak
  let count = 0
  let hasExtra = false
  while (!signal.aborted) {
    const draw = random()
    if (draw < 0.35) {
      writeWeights(soak, Math.floor(random() * 11))
    } else if (draw < 0.55) {
      mesh.write('extra.yaml', route([['b', 1]], 'extra', `/extra-${count}`))
    } else if (draw < 0.75) {
      // It may be the last one of its service that is well.
      if (!hasExtra || (await countWell(mesh, 'a')) === 3) {
        hasExtra = !hasExtra
        writeMesh(soak, hasExtra)
      }
    } else {
      await killOne(soak)
    }
    count++
    await sleep(300 + random() * 700)
  }
  return count
}

async function countWell(mesh: TestMesh, letter: string): Promise<number> {
  const status = await mesh.status()
  const endpoints = status.services.find(({ key }) => key.startsWith(`shop/${letter}:`))?.endpoints ?? []
  return endpoints.filter(({ healthy, ejected }) => healthy && !ejected).length
}

/** Kills one of two endpoints that are both well: of a service without any nothing could be kept. */
async function killOne({ mesh, ledger, random }: SoakMesh): Promise<void> {
  const letter = 'abc'.charAt(Math.floor(random() * 3))
  if ((await countWell(mesh, letter)) < 2) return
  const victim = `${letter}-${random() < 0.5 ? 1 : 2}`
  ledger.killed()
  try {
    process.kill(Number(readFileSync(pidFile(mesh, victim), 'utf8')), 'SIGKILL')
  } catch {
    // It is between two lives.
  }
}
