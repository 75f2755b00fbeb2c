import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePort } from './ports.ts'

/** An nghttpd, the server of nghttp2: it serves files of `directory` and sends uploads back. Ends when disposed. */
export class TestNghttpd implements AsyncDisposable {
  readonly directory: string
  readonly port: number
  readonly #process: ChildProcess

  private constructor(directory: string, port: number, process: ChildProcess) {
    this.directory = directory
    this.port = port
    this.#process = process
  }

  /** @param more  further options of the program, and the files of key and certificate unless `--no-tls` is among them */
  static async start(...more: readonly string[]): Promise<TestNghttpd> {
    const directory = mkdtempSync(path.join(tmpdir(), 'heddle-nghttpd-'))
    const port = await freePort()
    const args = ['--address=127.0.0.1', `--htdocs=${directory}`, '--echo-upload', `${port}`, ...more]
    const child = spawn('nghttpd', args, { stdio: 'ignore' })
    const server = new TestNghttpd(directory, port, child)
    await server.#listening()
    return server
  }

  async #listening(): Promise<void> {
    while (this.#process.exitCode === null) {
      const socket = net.connect(this.port, '127.0.0.1')
      const isOpen = await once(socket, 'connect').then(
        () => true,
        () => false,
      )
      socket.destroy()
      if (isOpen) return
    }
    throw new Error('nghttpd ended')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null) {
      const exited = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await exited
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}
