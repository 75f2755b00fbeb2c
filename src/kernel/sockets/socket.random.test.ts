import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { Socket, SocketHandler } from './socket.ts'
import { openTestTransport, pattern } from './testing.ts'

const connections = 250
const together = 30
const text = pattern(400_000)

/** Numbers of xorshift32, the same for the same seed. */
class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0 || 1
  }

  below(limit: number): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return (state >>> 0) % limit
  }
}

/** What one end sent and got, by itself: the two are compared when both have closed. */
class End implements SocketHandler {
  readonly log: string[] = []
  readonly closed: Promise<void>
  socket: Socket | undefined = undefined
  sent = 0
  received = 0
  isConnected = false
  isEnding = false
  hasEnded = false
  hasReset = false
  closes = 0
  error: NodeJS.ErrnoException | undefined = undefined
  readonly sentHash = createHash('sha256')
  readonly receivedHash = createHash('sha256')
  readonly #dice: Dice
  #steps: number
  #isHeld = false
  #onClosed: () => void = () => {}

  constructor(dice: Dice) {
    this.#dice = dice
    this.#steps = 2 + dice.below(12)
    this.closed = new Promise(resolve => {
      this.#onClosed = resolve
    })
  }

  /** One random thing; also in callbacks of its own. */
  step(): void {
    const { socket } = this
    if (socket === undefined || !socket.isOpen || this.isEnding) return
    if (this.#steps-- <= 0) {
      this.#end(socket)
      return
    }
    const kind = this.#dice.below(20)
    if (kind < 11) this.#write(socket, kind < 8 ? this.#dice.below(2_000) : this.#dice.below(text.bytes.length))
    else if (kind < 15) this.#hold(socket)
    else if (kind < 17) {
      socket.pause()
      socket.resume()
      if (this.#isHeld) socket.pause()
    } else if (kind === 17 && this.isConnected && this.#dice.below(4) === 0) {
      this.log.push('reset')
      this.hasReset = true
      socket.reset()
    } else if (kind === 18 && this.#dice.below(4) === 0) this.#end(socket)
  }

  #write(socket: Socket, length: number): void {
    const bytes = Buffer.from(text.bytes.subarray(0, length))
    if (length > 0) bytes[0] = this.#dice.below(256)
    this.sentHash.update(bytes)
    this.sent += length
    socket.write(bytes, length)
    // It is the caller's again at once.
    bytes.fill(0)
    this.log.push(`write ${length}`)
  }

  #hold(socket: Socket): void {
    if (this.#isHeld) return
    this.#isHeld = true
    socket.pause()
    this.log.push('pause')
    let turns = this.#dice.below(6)
    const wait = (): void => {
      if (turns-- > 0) {
        setImmediate(wait)
        return
      }
      this.#isHeld = false
      this.log.push('resume')
      socket.resume()
    }
    setImmediate(wait)
  }

  #end(socket: Socket): void {
    this.isEnding = true
    this.log.push('end')
    socket.end()
  }

  onBytes(bytes: Buffer, length: number): void {
    assert.equal(this.#isHeld, false, 'bytes while paused')
    assert.equal(this.hasEnded, false, 'bytes after the end')
    this.#alive()
    this.received += length
    this.receivedHash.update(bytes.subarray(0, length))
    bytes.fill(0, 0, length)
    if (this.#dice.below(4) === 0) this.step()
  }

  onEnd(): void {
    assert.equal(this.#isHeld, false, 'end while paused')
    assert.equal(this.hasEnded, false, 'two ends')
    this.#alive()
    this.hasEnded = true
    this.log.push('got end')
    this.step()
    if (this.#dice.below(2) === 0 && this.socket?.isOpen === true && !this.isEnding) this.#end(this.socket)
  }

  onWritable(): void {
    this.#alive()
    assert.equal(this.socket?.backlog, 0)
    this.log.push('writable')
    this.step()
  }

  onClose(error: Error | undefined): void {
    this.closes++
    this.error = error
    this.log.push(`closed ${this.error?.code ?? ''}`)
    this.#onClosed()
  }

  #alive(): void {
    assert.equal(this.socket?.isOpen ?? true, true, 'called although it was closed')
    assert.equal(this.closes, 0, 'called after onClose')
  }
}

/** Drives both ends until both have closed, and compares what one sent with what the other got. */
async function exchange(opened: End, accepted: End): Promise<void> {
  const both = Promise.all([opened.closed, accepted.closed])
  const drive = (): void => {
    opened.step()
    accepted.step()
    if (opened.closes + accepted.closes < 2) setImmediate(drive)
  }
  drive()
  await both
  const hasReset = opened.hasReset || accepted.hasReset
  for (const [from, to] of [
    [opened, accepted],
    [accepted, opened],
  ] as const) {
    assert.equal(from.closes, 1)
    assert.ok(to.received <= from.sent)
    if (hasReset) continue
    assert.equal(from.error, undefined)
    assert.equal(to.hasEnded, true)
    assert.equal(to.received, from.sent)
    assert.equal(to.receivedHash.digest('hex'), from.sentHash.digest('hex'))
  }
}

test('two ends that do what they like lose nothing, unless one resets', async t => {
  const seed = Number(process.env['HEDDLE_TEST_SEED'] ?? Math.trunc(Math.random() * 2 ** 31))
  t.diagnostic(`HEDDLE_TEST_SEED=${seed}`)
  const dice = new Dice(seed)
  const newEnd = (): End => new End(new Dice(dice.below(2 ** 31)))
  const transport = openTestTransport(t, 8_192)
  /** Who waits for the connection from that port. */
  const waiting = new Map<number, (end: End) => void>()
  const listener = await transport.listen({
    address: '127.0.0.1',
    port: 0,
    onConnection: socket => {
      const end = newEnd()
      end.socket = socket
      end.isConnected = true
      socket.handler = end
      waiting.get(socket.remotePort)?.(end)
      waiting.delete(socket.remotePort)
    },
    onError: error => assert.ifError(error),
  })
  let started = 0
  let resets = 0
  let bytes = 0
  const lane = async (): Promise<void> => {
    while (started++ < connections) {
      const opened = newEnd()
      const socket = transport.connect('127.0.0.1', listener.port, opened, () => {
        opened.isConnected = true
      })
      const accepted = new Promise<End>(resolve => waiting.set(socket.localPort, resolve))
      opened.socket = socket
      opened.step()
      const other = await accepted
      try {
        await exchange(opened, other)
      } catch (error) {
        t.diagnostic(`opened: ${opened.log.join(', ')}`)
        t.diagnostic(`accepted: ${other.log.join(', ')}`)
        throw error
      }
      bytes += opened.received + other.received
      if (opened.hasReset || other.hasReset) resets++
    }
  }
  await Promise.all(Array.from({ length: together }, lane))
  t.diagnostic(`${bytes} bytes, ${resets} resets`)
  assert.ok(resets > 0 && resets < connections / 2)
})
