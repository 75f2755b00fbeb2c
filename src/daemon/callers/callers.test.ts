import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ManualClock, silentLogger, systemClock } from '../../core/index.ts'
import type { Caller } from '../../model/index.ts'
import { MetricRegistry } from '../../observe/index.ts'
import type { ConnectionEnds } from '../../proxy/index.ts'
import { Breath } from './breath.ts'
import { CallerClient } from './caller-client.ts'
import { CallerFinder } from './caller-finder.ts'
import type { CallerRoot } from './caller-processes.ts'
import { callerRoots } from './caller-roots.ts'
import { findDatagramInodes } from './caller-datagrams.ts'
import { findClientInodes } from './caller-sockets.ts'
import { ProcFiles } from './proc-files.ts'
import { SketchedProc, tcpRow } from './testing.ts'
import type { CallerAnswer, CallerQuestion } from '../worker-messages.ts'

const title = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
/** 127.0.0.1 and ::ffff:127.0.0.1, as the tables write them. */
const v4 = '0100007F'
const mapped = `0000000000000000FFFF0000${v4}`
const v6 = '00000000000000000000000001000000'

const ends = (remotePort: number, changes: Partial<ConnectionEnds> = {}): ConnectionEnds => ({
  remoteAddress: '127.0.0.1',
  remotePort,
  localAddress: '127.0.0.1',
  localPort: 80,
  ...changes,
})

type Tables = Partial<Record<'tcp' | 'tcp6' | 'udp' | 'udp6', string>>

function procWith(t: TestContext, tables: Tables): ProcFiles {
  const directory = mkdtempSync(path.join(tmpdir(), 'heddle-proc-'))
  t.after(() => rmSync(directory, { recursive: true }))
  mkdirSync(path.join(directory, 'net'))
  for (const [name, text] of Object.entries(tables)) writeFileSync(path.join(directory, 'net', name), title + text)
  return new ProcFiles(directory)
}

const tables: readonly {
  readonly name: string
  readonly tcp?: string
  readonly tcp6?: string
  readonly ends: ConnectionEnds
  readonly inode: number | undefined
}[] = [
  {
    name: 'an IPv4 client',
    tcp: tcpRow(`${v4}:0050`, `${v4}:C350`, 7) + tcpRow(`${v4}:C350`, `${v4}:0050`, 8),
    ends: ends(50_000),
    inode: 8,
  },
  {
    name: 'an IPv4 client with an IPv6 socket',
    tcp: tcpRow(`${v4}:0050`, `${v4}:C350`, 7),
    tcp6: tcpRow(`${mapped}:C350`, `${mapped}:0050`, 8),
    ends: ends(50_000),
    inode: 8,
  },
  {
    name: 'an IPv4 client of an IPv6 listener',
    tcp: tcpRow(`${v4}:C350`, `${v4}:0050`, 8),
    tcp6: tcpRow(`${mapped}:0050`, `${mapped}:C350`, 7),
    ends: ends(50_000, { remoteAddress: '::ffff:127.0.0.1', localAddress: '::ffff:127.0.0.1' }),
    inode: 8,
  },
  {
    name: 'an IPv6 client',
    tcp6: tcpRow(`${v6}:0050`, `${v6}:C350`, 7) + tcpRow(`${v6}:C350`, `${v6}:0050`, 8),
    ends: ends(50_000, { remoteAddress: '::1', localAddress: '::1' }),
    inode: 8,
  },
  {
    name: 'nobody when the client has closed its end',
    tcp: tcpRow(`${v4}:0050`, `${v4}:C350`, 7) + tcpRow(`${v4}:C350`, `${v4}:0050`, 0),
    ends: ends(50_000),
    inode: undefined,
  },
  {
    name: 'nobody when the port belongs to a connection to another place',
    tcp: tcpRow(`${v4}:0050`, `${v4}:C350`, 7) + tcpRow(`${v4}:C350`, `${v4}:0051`, 8),
    ends: ends(50_000),
    inode: undefined,
  },
  { name: 'nobody without tables', ends: ends(50_000), inode: undefined },
  { name: 'nobody in a table that makes no sense', tcp: '\n:::\n   : 1:\nx', ends: ends(50_000), inode: undefined },
  { name: 'nobody at an address that is none', tcp: '', ends: ends(1, { remoteAddress: 'unknown' }), inode: undefined },
]
for (const { name, inode, ends: connection, ...files } of tables) {
  test(`findClientInodes() finds ${name}`, async t => {
    const found = await findClientInodes([connection], procWith(t, files), new Breath(systemClock))
    assert.deepEqual(found, [inode])
  })
}

test('findClientInodes() finds rows wherever a read ends, each connection once', async t => {
  const count = 600
  const all = Array.from({ length: count }, (_, index) => 20_000 + index)
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
  // Rows of different lengths, so that reads end at every place of one.
  const tcp = all
    .map(
      port => tcpRow(`${v4}:0050`, `${v4}:${hex(port)}`, port) + tcpRow(`${v4}:${hex(port)}`, `${v4}:0050`, port * 7),
    )
    .join('')
  const files = procWith(t, { tcp })
  const found = await findClientInodes(
    all.map(port => ends(port)),
    files,
    new Breath(systemClock),
  )
  assert.deepEqual(
    found,
    all.map(port => port * 7),
  )
})

test('callerRoots() names the processes of workloads that have one', () => {
  const workload = (name: string, service: string | undefined) => ({
    key: `shop/${name}`,
    namespace: 'shop',
    name,
    labels: {},
    service,
    address: '127.0.0.1',
    port: 1,
    process: undefined,
    healthCheck: undefined,
  })
  const pids = new Map([
    ['shop/a', 7],
    ['shop/b', 8],
  ])
  const roots = callerRoots([workload('a', 'cart'), workload('b', undefined), workload('c', 'x')], key => pids.get(key))
  assert.deepEqual(roots, [
    { pid: 7, caller: { namespace: 'shop', service: 'shop/cart', workload: 'shop/a' } },
    { pid: 8, caller: { namespace: 'shop', service: '', workload: 'shop/b' } },
  ])
})

const caller: Caller = { namespace: 'shop', service: 'shop/cart', workload: 'shop/cart-0' }

test('CallerFinder tells the sockets of a real process from those of others', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const accepted: Socket[] = []
  server.on('connection', socket => accepted.push(socket))
  const count = 50
  const script = `for (let i = 0; i < ${count}; i++) require('node:net').connect(${port}, '127.0.0.1')`
  const child = spawn(process.execPath, ['-e', script])
  t.after(() => child.kill('SIGKILL'))
  const own = connect(port, '127.0.0.1')
  t.after(() => own.destroy())
  await t.waitFor(() => assert.equal(accepted.length, count + 1), { interval: 5, timeout: 10_000 })

  const roots = () => [{ pid: child.pid ?? 0, caller }]
  const finder = new CallerFinder({ clock: systemClock, logger: silentLogger, roots })
  const ask = (sockets: readonly Socket[]) =>
    new Promise<readonly CallerAnswer[]>(resolve => {
      const questions = sockets.map((socket, id): CallerQuestion => {
        const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket
        return { id, remoteAddress, remotePort, localAddress, localPort }
      })
      finder.ask(questions, resolve)
    })
  const isOwn = (socket: Socket) => socket.remotePort === own.localPort
  const [few, many] = await Promise.all([ask(accepted.slice(0, 5)), ask(accepted)])
  assert.deepEqual(
    few.map(answer => answer.id),
    [0, 1, 2, 3, 4],
  )
  for (const [at, answer] of many.entries()) {
    assert.deepEqual(answer, { id: at, caller: isOwn(accepted[at] ?? assert.fail()) ? undefined : caller })
  }
  for (const socket of accepted) socket.destroy()
})

/** Two workloads and a stranger, each with a connection from port 50,000 plus its inode. */
function openFinder() {
  const proc = new SketchedProc()
  proc.processes = [
    { pid: 1, parent: 0 },
    { pid: 20, parent: 1, sockets: [20] },
    { pid: 30, parent: 1, sockets: [30] },
    { pid: 40, parent: 1, sockets: [40] },
  ]
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
  proc.tcp = [20, 30, 40]
    .map(inode => [`${v4}:0050`, `${v4}:${hex(50_000 + inode)}`, inode] as const)
    .map(([server, client, inode]) => tcpRow(server, client, 1) + tcpRow(client, server, inode))
    .join('')
  const clock = new ManualClock()
  const roots: CallerRoot[] = [
    { pid: 20, caller },
    { pid: 30, caller: { namespace: 'shop', service: 'shop/pay', workload: 'shop/pay-0' } },
  ]
  const finder = new CallerFinder({ clock, logger: silentLogger, roots: () => roots, files: proc })
  const ask = (inode: number) =>
    new Promise<string>(resolve => {
      finder.ask([{ id: 0, ...ends(50_000 + inode) }], ([answer]) => resolve(answer?.caller?.service ?? 'nobody'))
    })
  return { proc, clock, roots, ask }
}

const turn = () => new Promise(resolve => setImmediate(resolve))

/** Moves the clock on until something is settled. */
async function settled<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let isSettled = false
  void work.then(() => (isSettled = true))
  for (let turns = 0; !isSettled && turns < 1_000; turns++) {
    await turn()
    if (!isSettled) clock.advance(1)
  }
  return work
}

test('CallerFinder takes one look for the questions of one moment, and one for all that come meanwhile', async () => {
  const { proc, clock, ask } = openFinder()
  const later: Promise<string>[] = []
  proc.onRead = () => {
    // In the midst of the first look, and after the table of sockets was read: too late for this one.
    const inode = [20, 30, 40][later.length]
    if (inode !== undefined) later.push(ask(inode))
  }
  const first = await settled(clock, Promise.all([ask(20), ask(30), ask(40)]))
  assert.deepEqual(first, ['shop/cart', 'shop/pay', 'nobody'])
  assert.equal(proc.looks, 1)
  assert.equal(later.length, 3)
  assert.deepEqual(await settled(clock, Promise.all(later)), ['shop/cart', 'shop/pay', 'nobody'])
  assert.equal(proc.looks, 2)
})

test('CallerFinder remembers nobody by the number of a process', async () => {
  const { proc, clock, roots, ask } = openFinder()
  assert.equal(await settled(clock, ask(30)), 'shop/pay')
  // The number and the socket are the first workload's now.
  proc.processes = proc.processes.map(each => (each.pid === 30 ? { ...each, parent: 20 } : each))
  roots.pop()
  assert.equal(await settled(clock, ask(30)), 'shop/cart')
  // And now nobody's.
  proc.processes = proc.processes.map(each => (each.pid === 30 ? { ...each, parent: 1 } : each))
  assert.equal(await settled(clock, ask(30)), 'nobody')
})

test('CallerFinder looks for half of the time at most, however many strangers come', async () => {
  const { proc, clock, ask } = openFinder()
  let workedMs = 0
  proc.onRead = () => {
    workedMs += 3
    clock.advance(3)
  }
  let isOver = false
  const stranger = async () => {
    while (!isOver) await ask(40)
  }
  const strangers = Array.from({ length: 20 }, stranger)
  while (clock.nowMs() < 10_000) {
    await turn()
    clock.advance(1)
  }
  isOver = true
  await settled(clock, Promise.all(strangers))
  assert.ok(proc.looks > 100, `${proc.looks} looks`)
  assert.ok(workedMs <= clock.nowMs() / 2 + 20, `${workedMs} of ${clock.nowMs()} ms`)

  // A look that takes no time at all is followed by a rest, too.
  proc.onRead = () => {}
  const before = { looks: proc.looks, nowMs: clock.nowMs() }
  for (let round = 0; round < 50; round++) await settled(clock, ask(40))
  assert.ok(proc.looks - before.looks <= clock.nowMs() - before.nowMs + 1)
})

test('CallerFinder knows nobody, and says so, where Linux tells nothing', async t => {
  const roots = () => [{ pid: 1, caller }]
  const finder = new CallerFinder({ clock: systemClock, logger: silentLogger, roots, files: procWith(t, {}) })
  const answers = await new Promise(resolve => finder.ask([{ id: 3, ...ends(50_000) }], resolve))
  assert.deepEqual(answers, [{ id: 3, caller: undefined }])
})

function openClient() {
  const clock = new ManualClock()
  const meter = new MetricRegistry()
  const sent: (readonly CallerQuestion[])[] = []
  const client = new CallerClient({ clock, logger: silentLogger, meter, send: questions => sent.push(questions) })
  const heard: (string | undefined)[] = []
  const ask = (port: number) =>
    client.ask(ends(port), { identified: answer => heard.push(`${port} ${answer?.service ?? 'nobody'}`) })
  const count = (outcome: string) => meter.counter('heddle_caller_lookups_total', { outcome }).value
  return { clock, client, sent, heard, ask, count }
}

test('CallerClient asks about the connections of one turn in one message', async () => {
  const { client, sent, heard, ask, clock, count } = openClient()
  ask(1)
  ask(2)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(
    sent.map(questions => questions.map(({ remotePort }) => remotePort)),
    [[1, 2]],
  )
  const ids = sent[0]?.map(({ id }) => id) ?? []
  client.answered(ids.map((id, at) => ({ id, caller: at === 0 ? caller : undefined })))
  assert.deepEqual(heard, ['1 shop/cart', '2 nobody'])
  assert.deepEqual([clock.pending, count('known'), count('unknown'), count('late')], [0, 1, 1, 0])
})

test('CallerClient takes a caller for unknown that is not found in time, and nothing that is said later', async () => {
  const { client, sent, heard, ask, clock, count } = openClient()
  ask(1)
  clock.advance(600)
  ask(2)
  clock.advance(399)
  assert.deepEqual(heard, [])
  clock.advance(1)
  assert.deepEqual(heard, ['1 nobody'])
  clock.advance(600)
  assert.deepEqual(heard, ['1 nobody', '2 nobody'])
  await new Promise(resolve => setImmediate(resolve))
  client.answered(sent.flat().map(({ id }) => ({ id, caller })))
  assert.deepEqual([heard.length, clock.pending, count('late'), count('known')], [2, 0, 2, 0])
})

const [any4, any6] = ['0'.repeat(8), '0'.repeat(32)]
const datagrams: readonly { readonly name: string; readonly tables: Tables; readonly inode: number | undefined }[] = [
  { name: 'a socket with an address', tables: { udp: tcpRow(`${v4}:C350`, `${any4}:0000`, 8) }, inode: 8 },
  { name: 'a socket without an address', tables: { udp: tcpRow(`${any4}:C350`, `${any4}:0000`, 8) }, inode: 8 },
  { name: 'a connected socket', tables: { udp: tcpRow(`${v4}:C350`, `${v4}:0050`, 8) }, inode: 8 },
  {
    name: 'no socket that is connected elsewhere',
    tables: { udp: tcpRow(`${v4}:C350`, `${v4}:0051`, 8) },
    inode: undefined,
  },
  { name: 'an IPv6 socket of both families', tables: { udp6: tcpRow(`${any6}:C350`, `${any6}:0000`, 8) }, inode: 8 },
  { name: 'a mapped address', tables: { udp6: tcpRow(`${mapped}:C350`, `${mapped}:0050`, 8) }, inode: 8 },
  { name: 'no socket of another port', tables: { udp: tcpRow(`${v4}:C351`, `${any4}:0000`, 8) }, inode: undefined },
  {
    name: 'none of two that fit',
    tables: { udp: tcpRow(`${v4}:C350`, `${any4}:0000`, 8) + tcpRow(`${any4}:C350`, `${any4}:0000`, 9) },
    inode: undefined,
  },
  {
    name: 'nobody whose process has closed it',
    tables: { udp: tcpRow(`${v4}:C350`, `${any4}:0000`, 0) },
    inode: undefined,
  },
]
for (const { name, tables: given, inode } of datagrams) {
  test(`findDatagramInodes() finds ${name}`, async t => {
    const found = await findDatagramInodes(
      [ends(50_000), ends(50_001 + 9)],
      procWith(t, given),
      new Breath(systemClock),
    )
    assert.deepEqual(found, [inode, undefined])
  })
}
