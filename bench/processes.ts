/** Starts the programs of a benchmark and reads from /proc what they cost. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { openSync, closeSync, readFileSync, readdirSync } from 'node:fs'
import { get as getPlain } from 'node:http'
import { get as getByTls } from 'node:https'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** The proxy has a core of its own; load and backend share the others, alike for all. With one core nothing is pinned. */
export type Place = 'proxy' | 'load'

export function pinned(place: Place, command: readonly string[]): readonly string[] {
  const cores = availableParallelism()
  if (cores === 1) return command
  return ['taskset', '-c', place === 'proxy' ? '0' : `1-${cores - 1}`, ...command]
}

/** The status that a URL answers with; undefined without an answer. */
export type Probe = (url: string) => Promise<number | undefined>

const startMs = 120_000

export class Program implements AsyncDisposable {
  readonly name: string
  readonly #child: ChildProcess
  readonly #ended: Promise<string>
  readonly #logPath: string

  private constructor(name: string, child: ChildProcess, logPath: string) {
    this.name = name
    this.#child = child
    this.#logPath = logPath
    this.#ended = new Promise(resolve => {
      child.once('error', error => resolve(error.message))
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
  }

  /** @param logPath  where both its outputs go */
  static start(name: string, command: readonly string[], options: { place: Place; logPath: string }): Program {
    const [file = '', ...args] = pinned(options.place, command)
    const log = openSync(options.logPath, 'a')
    const child = spawn(file, args, { stdio: ['ignore', log, log], detached: true })
    closeSync(log)
    return new Program(name, child, options.logPath)
  }

  /** Resolves when `url` answers 200, whatever certificate it shows. @param options.probe  asks it. @default by HTTP/1.1 */
  async answers(url: string, { probe = statusOf }: { readonly probe?: Probe } = {}): Promise<this> {
    const endMs = performance.now() + startMs
    while (performance.now() < endMs) {
      const failure = await Promise.race([this.#ended, sleep(50)])
      if (failure !== undefined) throw new Error(`${this.name}: ${failure}\n${this.#lastWords()}`)
      if ((await probe(url)) === 200) return this
    }
    throw new Error(`${this.name} does not answer ${url}\n${this.#lastWords()}`)
  }

  /** User and system time of the program, its threads and its descendants, in microseconds. */
  cpuUs(): number {
    let ticks = 0
    for (const pid of this.#pids()) {
      const fields = statFields(pid)
      ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
    }
    // USER_HZ is 100 on every Linux that runs Node.
    return ticks * 10_000
  }

  /** Proportional set size of the program and its descendants, in MB. */
  memoryMb(): number {
    let kilobytes = 0
    for (const pid of this.#pids()) {
      kilobytes += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
    }
    return kilobytes / 1024
  }

  /** At once: without a chance to end in good order. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM')
    const isGone = await Promise.race([this.#ended, sleep(5_000, undefined, { ref: false })])
    if (isGone === undefined && this.#child.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL')
    await this.#ended
  }

  #pids(): number[] {
    const children = new Map<number, number[]>()
    for (const entry of readdirSync('/proc')) {
      const pid = Number(entry)
      if (!Number.isInteger(pid)) continue
      const parent = Number(statFields(pid)[1])
      children.set(parent, [...(children.get(parent) ?? []), pid])
    }
    const found = [this.#child.pid ?? -1]
    for (let index = 0; index < found.length; index += 1) found.push(...(children.get(found[index] ?? -1) ?? []))
    return found
  }

  #lastWords(): string {
    return readFileSync(this.#logPath, 'utf8').slice(-2_000)
  }
}

/** The fields of /proc/PID/stat after the name, which may itself hold spaces; field 0 is the state. */
function statFields(pid: number): readonly string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    // It has ended in the meantime.
    return []
  }
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>(resolve =>
          server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
        ),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

/** Runs to the end. @returns standard output; throws with both outputs when it fails. */
export async function output(command: readonly string[]): Promise<string> {
  const [file = '', ...args] = command
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part))
  child.stderr.setEncoding('utf8').on('data', (part: string) => (errors += part))
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0) throw new Error(`${command.join(' ')}: exit code ${code}\n${text}${errors}`)
  return text
}

/** Undefined without an answer. */
function statusOf(url: string): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  const get = url.startsWith('https:') ? getByTls : getPlain
  const request = get(url, { agent: false, rejectUnauthorized: false }, response => {
    response.resume().once('close', () => resolve(response.statusCode))
  })
  request.once('error', () => resolve(undefined))
  return promise
}
