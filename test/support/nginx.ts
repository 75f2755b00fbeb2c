import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** An nginx of the test's own, with what is to stand in its `http` block; ends when disposed. */
export class TestNginx implements AsyncDisposable {
  readonly #directory: string
  readonly #process: ChildProcess
  #errors = ''

  private constructor(directory: string, process: ChildProcess) {
    this.#directory = directory
    this.#process = process
    process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#errors += text))
  }

  /** @param port  one that it listens on, to know when it does */
  static async start(http: string, port: number): Promise<TestNginx> {
    const directory = mkdtempSync(path.join(tmpdir(), 'heddle-nginx-'))
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map(name => `${name}_temp_path ${directory}/${name};`)
      .join('\n')
    const configuration = `
daemon off;
master_process off;
pid ${directory}/pid;
error_log stderr warn;
events {}
http { access_log off; ${temporary} ${http} }
`
    writeFileSync(path.join(directory, 'nginx.conf'), configuration)
    const args = ['-p', directory, '-c', path.join(directory, 'nginx.conf')]
    const nginx = new TestNginx(directory, spawn('nginx', args, { stdio: ['ignore', 'ignore', 'pipe'] }))
    try {
      await nginx.#listening(port)
      return nginx
    } catch (error) {
      await nginx[Symbol.asyncDispose]()
      throw error
    }
  }

  async #listening(port: number): Promise<void> {
    while (this.#process.exitCode === null) {
      const socket = net.connect(port, '127.0.0.1')
      const isOpen = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'close').then(() => false),
      ]).catch(() => false)
      socket.destroy()
      if (isOpen) return
    }
    throw new Error(`nginx ended: ${this.#errors}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null) {
      this.#process.kill('SIGKILL')
      await once(this.#process, 'exit')
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
