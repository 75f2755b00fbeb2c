import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, createServer, get } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MeshCgroup } from '../../src/datapath/index.ts'
import { inCgroup } from './in-cgroup.ts'
import { World } from './world.ts'

const megabyte = 1_048_576
const pieceBytes = 65_536
const totalBytes = 128 * megabyte
/** After so much the client rests, until nobody has room for more. */
const restEvery = 16 * megabyte

let cgroup: MeshCgroup
const skip = inCgroup(own => {
  cgroup = own
})

/** What the kernel keeps of one connection at most, on both its ends. */
function kernelBytes(): number {
  const most = (name: string): number =>
    Number(readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim().split(/\s+/)[2])
  return most('tcp_rmem') + most('tcp_wmem')
}

/** Answers `/length` and `/chunked` with 128 MB, and all else with a word. */
class Source implements AsyncDisposable {
  /** Of the answer, so many bytes have left the program. */
  sent = 0
  hash = createHash('sha256')
  readonly #server: Server = createServer((request, response) => void this.#answer(request.url ?? '', response))

  static async open(): Promise<Source> {
    const source = new Source()
    await once(source.#server.listen(0, '127.0.0.1'), 'listening')
    return source
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async #answer(url: string, response: ServerResponse): Promise<void> {
    if (url !== '/length' && url !== '/chunked') {
      response.end('small')
      return
    }
    if (url === '/length') response.setHeader('content-length', totalBytes)
    for (let at = 0; at < totalBytes && !response.destroyed; at += pieceBytes) {
      // No two pieces are the same, so that none can take the place of another.
      const piece = Buffer.alloc(pieceBytes, 'abcdefghijklmnopqrstuvwxyz')
      piece.writeUInt32LE(at, 0)
      this.hash.update(piece)
      await new Promise<void>(resolve => response.write(piece, () => resolve()))
      this.sent += pieceBytes
    }
    response.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }
}

async function ask(port: number, path: string, agent: Agent): Promise<IncomingMessage> {
  const [response] = (await once(get({ host: '127.0.0.1', port, path, agent }), 'response')) as [IncomingMessage]
  return response
}

/** Resolves when it has not grown for a while: everything that takes bytes is full. */
async function untilStill(value: () => number): Promise<void> {
  for (let before = -1; before !== value();) {
    before = value()
    await sleep(100)
  }
}

interface Way {
  readonly name: string
  readonly isDemoted: boolean
  /** From the endpoint to the client. */
  readonly connections: number
}

const ways: readonly Way[] = [
  { name: 'relayed by the agent', isDemoted: false, connections: 2 },
  // In this test a pipe is between the client's connection and the proxy.
  { name: 'of the proxy, on a connection that has left the path', isDemoted: true, connections: 3 },
]

for (const { name, isDemoted, connections } of ways) {
  for (const path of ['/length', '/chunked']) {
    test(
      `a slow reader of ${path.slice(1) === 'length' ? 'a large' : 'a chunked'} answer ${name}: little is kept for it`,
      { skip, timeout: 120_000 },
      async () => {
        await using source = await Source.open()
        await using world = await World.open(cgroup, { backendPort: source.port })
        const agent = new Agent({ keepAlive: true, maxSockets: 1 })
        try {
          for (const first of isDemoted ? ['/small', '/%41'] : ['/small'])
            (await ask(world.port, first, agent)).resume()
          const response = await ask(world.port, path, agent)
          const hash = createHash('sha256')
          let [read, rested, mostOnTheWay, mostKept] = [0, 0, 0, 0]
          for await (const bytes of response as AsyncIterable<Buffer>) {
            hash.update(bytes)
            read += bytes.length
            if (read - rested < restEvery) continue
            rested = read
            await untilStill(() => source.sent)
            mostOnTheWay = Math.max(mostOnTheWay, source.sent - read)
            mostKept = Math.max(mostKept, ...world.accepted.map(({ writableLength }) => writableLength))
          }
          assert.equal(read, totalBytes)
          assert.equal(hash.digest('hex'), source.hash.digest('hex'))
          assert.equal(world.fallbacks, isDemoted ? 1 : 0)
          assert.equal(world.served, 1)
          assert.ok(mostKept > 0 && mostKept <= 4 * pieceBytes, `${mostKept} bytes are kept by the agent`)
          const most = connections * kernelBytes() + megabyte
          assert.ok(mostOnTheWay < most, `${mostOnTheWay} bytes are on the way, and ${most} would be much`)
        } finally {
          agent.destroy()
        }
      },
    )
  }
}
