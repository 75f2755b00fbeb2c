/**
 * `node --conditions=heddle-source examples/ebpf/count-connects.ts CGROUP`: prints every IPv4 connection that processes
 * of a cgroup open, and on Ctrl-C how many there were to each destination. Needs root.
 */
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { attachToCgroup, Bpf, decodeRecords, loadObject, readObject, RingBuffer } from 'heddle/ebpf'

interface Destination {
  readonly address: Uint8Array
  readonly portBe: number
}

interface ConnectEvent {
  readonly process: number
  readonly to: Destination
}

const [cgroup = '/sys/fs/cgroup'] = process.argv.slice(2)
const port = ({ portBe }: Destination): number => ((portBe & 0xff) << 8) | (portBe >> 8)
const name = (to: Destination): string => `${to.address.join('.')}:${port(to)}`

using bpf = new Bpf()
const file = readFileSync(new URL('connects.bpf.o', import.meta.url))
using object = loadObject(bpf, readObject(file, { name: 'connects' }))
const events = object.codec<ConnectEvent>('connect_event')
using ring = new RingBuffer(bpf, object.map('events').raw, {
  onRecord: decodeRecords(events, event => console.log(`process ${event.process} to ${name(event.to)}`)),
})
using link = attachToCgroup(bpf, object.program('on_connect'), cgroup)
ring.watch()
console.log(`counting the connections of ${cgroup}, link ${link.info().id}`)

await once(process, 'SIGINT')
ring.consume()
for (const [to, count] of object.map<Destination, bigint>('connects').entries()) console.log(`${count} to ${name(to)}`)
