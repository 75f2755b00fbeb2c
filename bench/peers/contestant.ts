import type { Program } from '../processes.ts'

/** What every proxy is set up to do, each in its own way. */
export interface Scene {
  /** Of this run; each contestant makes a folder of its own below it. */
  readonly folder: string
  /** `/service-00001` and so on: one route for each, all to the same two endpoints. */
  readonly routes: readonly string[]
  readonly endpointPorts: readonly number[]
}

/** A proxy under test, or the backend itself (`direct`), which has no program to account for. */
export interface Contestant {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly program: Program | undefined
}
