/**
 * Requests at a fixed rate, whether or not earlier ones have been answered, so
 * that a stall is not hidden by the client's own waiting. A request is due
 * when the timer that makes it fires; waiting for a free connection counts.
 *
 *     node load/paced.ts HOST PORT RATE SECONDS CONNECTIONS PATH…
 *
 * prints `{ requests, errors, p50, p99 }`, times in microseconds. The first
 * tenth is warm-up.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { ordinaryHeaders } from './wrk.ts'

const [host = '', port = '', rate = '', seconds = '', connections = '', ...paths] = process.argv.slice(2)
const head = ordinaryHeaders.map(([name, value]) => `${name}: ${value}\r\n`).join('')
const requests = paths.map(path => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n${head}\r\n`))

const latenciesUs: number[] = []
const waiting: { dueMs: number; bytes: Buffer }[] = []
const free: Client[] = []
let errors = 0
let isWarm = false

/** One keep-alive connection with at most one request under way; reads answers that have a Content-Length. */
class Client {
  readonly #socket: Socket
  #dueMs = 0
  #pending: Buffer = Buffer.alloc(0)
  #leftBytes = -1

  constructor() {
    this.#socket = connect({ host, port: Number(port), noDelay: true })
    this.#socket.on('data', (bytes: Buffer) => this.#read(bytes))
    this.#socket.on('error', () => (errors += 1))
    this.#socket.on('close', () => (errors += isDone ? 0 : 1))
    this.#socket.once('connect', () => this.#release())
  }
  send(dueMs: number, bytes: Buffer): void {
    this.#dueMs = dueMs
    this.#socket.write(bytes)
  }
  close(): void {
    this.#socket.destroy()
  }
  #read(bytes: Buffer): void {
    if (this.#leftBytes < 0) {
      this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
      const end = this.#pending.indexOf('\r\n\r\n')
      if (end < 0) return
      const text = this.#pending.toString('latin1', 0, end)
      if (!text.startsWith('HTTP/1.1 200')) errors += 1
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? Number.NaN)
      if (Number.isNaN(length)) throw new Error(`an answer without Content-Length: ${text}`)
      this.#leftBytes = length - (this.#pending.length - end - 4)
      this.#pending = Buffer.alloc(0)
    } else {
      this.#leftBytes -= bytes.length
    }
    if (this.#leftBytes > 0) return
    this.#leftBytes = -1
    if (isWarm) latenciesUs.push((performance.now() - this.#dueMs) * 1000)
    this.#release()
  }
  #release(): void {
    const next = waiting.shift()
    if (next === undefined) free.push(this)
    else this.send(next.dueMs, next.bytes)
  }
}

let isDone = false
const clients = Array.from({ length: Number(connections) }, () => new Client())
while (free.length < clients.length) await new Promise(resolve => setTimeout(resolve, 10))

const startMs = performance.now()
let sent = 0
await new Promise<void>(resolve => {
  const tick = (): void => {
    const nowMs = performance.now()
    const due = Math.floor(((nowMs - startMs) / 1000) * Number(rate))
    isWarm = nowMs - startMs > Number(seconds) * 100
    for (; sent < due; sent += 1) {
      const bytes = requests[sent % requests.length] ?? Buffer.alloc(0)
      const client = free.shift()
      if (client === undefined) waiting.push({ dueMs: nowMs, bytes })
      else client.send(nowMs, bytes)
    }
    if (nowMs - startMs < Number(seconds) * 1000) setTimeout(tick, 1)
    else resolve()
  }
  tick()
})
// What never came counts as an error.
for (let waitMs = 0; waitMs < 2_000 && free.length < clients.length; waitMs += 20) {
  await new Promise(resolve => setTimeout(resolve, 20))
}
errors += waiting.length + clients.length - free.length
isDone = true
for (const client of clients) client.close()

latenciesUs.sort((a, b) => a - b)
const quantile = (q: number): number => latenciesUs[Math.floor(latenciesUs.length * q)] ?? Number.NaN
console.log(JSON.stringify({ requests: latenciesUs.length, errors, p50: quantile(0.5), p99: quantile(0.99) }))
