import { join } from 'node:path'
import { callOfGrpc, statusByHttp2 } from '../load/probe.ts'
import type { Program } from '../processes.ts'

/** What every proxy is set up to do, each in its own way. */
export interface Scene {
  /** Of this run; each contestant makes a folder of its own below it. */
  readonly folder: string
  /** `/service-00001` and so on: one route for each, all to the same two endpoints. */
  readonly routes: readonly string[]
  readonly endpointPorts: readonly number[]
  /** The same endpoints by HTTP/1.1, for contestants that can't speak HTTP/2 to them. */
  readonly http1Ports?: readonly number[]
  /** What clients are shown; undefined for plain connections. */
  readonly tls?: SceneTls
  /** How endpoints are reached by TLS; undefined for plain connections. */
  readonly mutual?: SceneMutual
  /** What clients speak: HTTP/2 by prior knowledge, or by ALPN with `tls`. @default http1 */
  readonly clients?: 'http1' | 'http2'
  /** What the endpoints speak, where a contestant can; `grpc` is HTTP/2 whose routes are services of gRPC. @default http1 */
  readonly endpoints?: 'http1' | 'h2c' | 'grpc'
  readonly plugin?: ScenePlugin
  /** What nginx does with each request, in the place of a plugin. */
  readonly lua?: string
}

/** What Heddle's requests pass. */
export interface ScenePlugin {
  /** File of the module. */
  readonly module: string
  /** As in YAML; empty for none. */
  readonly configuration: string
}

export interface SceneTls {
  /** Files in PEM. */
  readonly chain: string
  readonly key: string
}

/** Each side shows the other a certificate. */
export interface SceneMutual {
  /** File of the one who signed both, PEM. */
  readonly authority: string
  /** In the certificate of the endpoints. */
  readonly name: string
  readonly endpoint: SceneTls
  readonly client: SceneTls
}

/** A proxy under test, or the backend itself (`direct`), which has no program to account for. */
export interface Contestant {
  readonly name: string
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly port: number
  readonly program: Program | undefined
  /** The file that it writes a line to for each request. */
  readonly accessLog?: string
  /** The same program's other listener, without the plugin of the scene. */
  readonly plainPort?: number
}

/** Waits until it forwards, whatever certificate it shows. */
export async function contestant(name: string, scene: Scene, port: number, program: Program): Promise<Contestant> {
  const scheme = scene.tls === undefined ? 'http' : 'https'
  const url = `${scheme}://127.0.0.1:${port}${scene.routes[0]}/small`
  await program.answers(
    url,
    scene.clients === 'http2' ? { probe: scene.endpoints === 'grpc' ? callOfGrpc : statusByHttp2 } : {},
  )
  return { name, scheme, host: '127.0.0.1', port, program, accessLog: join(scene.folder, name, 'access.log') }
}
