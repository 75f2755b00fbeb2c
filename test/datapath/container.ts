import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { until } from '../support/until.ts'
import type { MemberMesh } from './member-mesh.ts'
import { Python } from './python.ts'

/** Each has addresses of its own. */
let cables = 0

/** A program in a network namespace and a cgroup of its own, as containers are. */
export class Container implements AsyncDisposable {
  readonly folder: string
  /** In a namespace of its own since it was started last. */
  program: Python
  /** Name of the cable's near end, if there is one. */
  readonly cable: string
  readonly #mesh: MemberMesh
  readonly #net = `10.${97 + (cables++ % 100)}.${(process.pid >> 7) & 255}`

  private constructor(mesh: MemberMesh, name: string) {
    this.#mesh = mesh
    this.folder = join(dirname(mesh.cgroup.folder), `heddle-test-${process.pid}-${name}.scope`)
    this.cable = `hd${process.pid}${name}`.slice(0, 15)
    mkdirSync(this.folder)
    this.program = this.#program()
  }

  #program(): Python {
    return new Python({ cgroup: this.folder, before: ['unshare', '--net'] })
  }

  static async start(
    mesh: MemberMesh,
    name: string,
    { hasLoopback = true }: { readonly hasLoopback?: boolean } = {},
  ): Promise<Container> {
    const container = new Container(mesh, name)
    await container.#prepare(hasLoopback)
    return container
  }

  async #prepare(hasLoopback: boolean): Promise<void> {
    await this.program.do('import subprocess')
    if (hasLoopback) assert.equal(await this.run('ip', 'link', 'set', 'lo', 'up'), '')
  }

  /** Another program, in another namespace, which has no cable. */
  async restart(): Promise<void> {
    await this.program.end()
    await until(() => !existsSync(`/sys/class/net/${this.cable}`))
    this.program = this.#program()
    await this.#prepare(true)
  }

  /** What a command says there, on either stream. */
  async run(...command: readonly string[]): Promise<string> {
    const done = `subprocess.run(${JSON.stringify(command)}, capture_output=True, text=True, timeout=60)`
    return await this.program.do(`(lambda done: done.stdout + done.stderr)(${done})`)
  }

  curl(...words: readonly string[]): Promise<string> {
    return this.run('curl', '-sS', '-m', '20', ...words)
  }

  async join(...words: readonly string[]): Promise<string> {
    const { stdout, stderr } = await this.#mesh.mesh.run(
      'join',
      this.folder,
      '--port',
      '9',
      '--address',
      '127.0.0.1',
      ...words,
    )
    return stdout + stderr
  }

  /** A cable to the test's own network namespace, which ends with the container's. @returns its address at the container's end */
  async link(): Promise<string> {
    const [home, there] = [0, 1].map(end => `${this.#net}.${(process.pid & 127) * 2 + end}`)
    assert.ok(there !== undefined)
    const ip = (...words: readonly string[]): void => void execFileSync('ip', words)
    ip('link', 'add', this.cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${this.program.pid}`)
    ip('addr', 'add', `${home}/31`, 'dev', this.cable)
    ip('link', 'set', this.cable, 'up')
    assert.equal(await this.run('ip', 'addr', 'add', `${there}/31`, 'dev', 'eth0'), '')
    assert.equal(await this.run('ip', 'link', 'set', 'eth0', 'up'), '')
    return there
  }

  /** Sockets that listen there, by address and port as in /proc/net. */
  listening(): readonly string[] {
    const lines = ['tcp', 'tcp6', 'udp', 'udp6'].flatMap(table => this.#sockets(table))
    return lines.flatMap(([, local = '', , state = '']) => (['0A', '07'].includes(state) ? [local] : [])).toSorted()
  }

  /** Where a connection from a port really goes, as Python has addresses. */
  peerOf(port: number): string {
    const { address, port: there } = peerOf(this.program.pid, port)
    return `("${address}", ${there})`
  }

  #sockets(table: string): readonly (readonly string[])[] {
    return socketsOf(this.program.pid, table)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.end()
    rmdirSync(this.folder)
  }
}

/** Where a connection of IPv4 from a port really goes, in the network namespace of a process. */
export function peerOf(pid: number, port: number): { readonly address: string; readonly port: number } {
  const from = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const found = socketsOf(pid, 'tcp').find(([, local = '', , state]) => local.endsWith(from) && state === '01')
  const [address = '', there = ''] = (found?.[2] ?? '').split(':')
  return { address: Buffer.from(address, 'hex').toReversed().join('.'), port: Number.parseInt(there, 16) }
}

/** As /proc/net has them. */
function socketsOf(pid: number, table: string): readonly (readonly string[])[] {
  const text = readFileSync(`/proc/${pid}/net/${table}`, 'latin1')
  return text
    .split('\n')
    .slice(1)
    .map(line => line.trim().split(/\s+/))
}
