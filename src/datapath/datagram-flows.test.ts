import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressBytes, endpointOf } from './address.ts'
import { DatagramFlows } from './datagram-flows.ts'
import type { DatagramKey, DatagramTrack, Endpoint, FlowEnd } from './generated/sockets.ts'
import { textOf } from './testing.ts'

const end = (text: string, port: number): Endpoint => endpointOf(addressBytes(text) ?? new Uint8Array(16), port, 17)
const peer = end('127.0.0.1', 9)
const local = end('127.0.0.1', 8)
const asked = end('127.77.0.1', 53)
const keyOf = (cookie: bigint): DatagramKey => ({ cookie, peer, zero: 0 })

function trackOf(seenMs: number, more: Partial<DatagramTrack> = {}): DatagramTrack {
  const track = { generation: 1, role: 1, isAllowed: 1, zero: new Uint8Array(2) }
  const bytes = { sentBytes: 3n, receivedBytes: 5n }
  const times = { begunNs: 0n, seenNs: BigInt(seenMs) * 1_000_000n }
  return { track, isFlow: 1, fromIdentity: 0, local, zero: 0, cgroup: 7n, ...times, ...bytes, ...more }
}

class Kernel {
  readonly tracks = new Map<string, readonly [DatagramKey, DatagramTrack]>()
  begun = 0n
  nowMs = 0
  readonly ends: FlowEnd[] = []
  readonly flows: DatagramFlows = new DatagramFlows({
    tracks: {
      entries: () => [...this.tracks.values()].values() as Generator<readonly [DatagramKey, DatagramTrack]>,
      take: key => {
        const found = this.tracks.get(textOf(key))?.[1]
        this.tracks.delete(textOf(key))
        return found
      },
      set: (key, value) => this.tracks.set(textOf(key), [key, value]).size > 0,
    },
    answers: { get: () => asked },
    begun: { get: () => [this.begun] },
    forgetMs: 1000,
    onEnd: each => this.ends.push(each),
    nowNs: () => BigInt(this.nowMs) * 1_000_000n,
  })

  begin(cookie: bigint, track: DatagramTrack): void {
    this.tracks.set(textOf(keyOf(cookie)), [keyOf(cookie), track])
    if (track.isFlow !== 0) this.begun++
  }

  look(): void {
    while (!this.flows.step(1)) {
      // The next one.
    }
  }
}

test('DatagramFlows ends what nobody has sent for a while, with its bytes', () => {
  const kernel = new Kernel()
  kernel.begin(1n, trackOf(10))
  kernel.begin(2n, trackOf(900))
  kernel.begin(3n, trackOf(10, { track: { ...trackOf(0).track, role: 2 }, fromIdentity: 1 }))
  kernel.begin(4n, trackOf(10, { isFlow: 0 }))
  kernel.nowMs = 1500
  kernel.look()
  const told = kernel.ends.map(({ flow, sentBytes, receivedBytes, durationNs }) => {
    return [flow.cookie, flow.role, flow.asked, flow.given, flow.fromIdentity, sentBytes, receivedBytes, durationNs]
  })
  assert.deepEqual(told, [
    [1n, 1, asked, peer, 0, 3n, 5n, 10_000_000n],
    [3n, 2, local, local, 1, 3n, 5n, 10_000_000n],
  ])
  assert.deepEqual(
    [...kernel.tracks.values()].map(([{ cookie }]) => cookie),
    [2n],
  )
  assert.equal(kernel.flows.lost, 0n)
})

test('DatagramFlows leaves what was sent while it looked', () => {
  const kernel = new Kernel()
  const seen = trackOf(10)
  kernel.begin(1n, seen)
  kernel.nowMs = 1500
  // As it is read, and as it is by then.
  const [entry] = kernel.tracks.values()
  assert.ok(entry !== undefined)
  const now = trackOf(1400)
  kernel.tracks.set(textOf(keyOf(1n)), [keyOf(1n), now])
  const stale = new Map([[textOf(keyOf(1n)), entry]])
  const flows = new DatagramFlows({
    tracks: {
      entries: () => stale.values() as Generator<readonly [DatagramKey, DatagramTrack]>,
      take: () => now,
      set: (key, value) => kernel.tracks.set(textOf(key), [key, value]).size > 0,
    },
    answers: { get: () => undefined },
    begun: { get: () => [1n] },
    forgetMs: 1000,
    onEnd: each => kernel.ends.push(each),
    nowNs: () => 1_500_000_000n,
  })
  assert.equal(flows.step(9), true)
  assert.deepEqual([kernel.ends, flows.lost], [[], 0n])
  assert.equal(kernel.tracks.get(textOf(keyOf(1n)))?.[1], now)
})

test('DatagramFlows.lost counts those that made room for others', () => {
  const kernel = new Kernel()
  // From before, of another load of the programs.
  kernel.begin(1n, trackOf(0))
  kernel.begun = 0n
  kernel.look()
  for (let cookie = 10n; cookie < 20n; cookie++) kernel.begin(cookie, trackOf(0))
  kernel.look()
  assert.equal(kernel.flows.lost, 0n)
  for (let cookie = 10n; cookie < 14n; cookie++) kernel.tracks.delete(textOf(keyOf(cookie)))
  kernel.look()
  assert.equal(kernel.flows.lost, 4n)
  // One that the kernel has ended by itself.
  kernel.tracks.delete(textOf(keyOf(14n)))
  kernel.begun--
  kernel.nowMs = 5000
  kernel.look()
  assert.deepEqual([kernel.flows.lost, kernel.ends.length, kernel.tracks.size], [4n, 6, 0])
  kernel.look()
  assert.equal(kernel.flows.lost, 4n)
})
