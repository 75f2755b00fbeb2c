import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { MeshError } from '../../core/index.ts'
import { ListeningSockets } from '../sockets/listening-sockets.ts'
import { ProcessWatch } from '../process-watch.ts'
import { KeeperClient } from './keeper-client.ts'
import { keeperCommand, openKeeper } from './open-keeper.ts'

const library = JSON.stringify(new URL('keeper.ts', import.meta.url).href)
const opening = JSON.stringify(new URL('open-keeper.ts', import.meta.url).href)
const pipes = JSON.stringify(new URL('../pipe.ts', import.meta.url).href)
const listening = JSON.stringify(new URL('../sockets/listening-sockets.ts', import.meta.url).href)

function makePath(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-keeper-'))
  t.after(() => {
    using client = KeeperClient.connect(join(directory, 'keeper'))
    client?.end()
    rmSync(directory, { recursive: true, force: true })
  })
  return join(directory, 'keeper')
}

/** A program of its own; the last expression of `code` may be awaited. */
function run(t: TestContext, code: string, stdio: 'pipe' | 'ignore' = 'pipe'): ChildProcess {
  const child = spawn(process.execPath, ['--experimental-ffi', '--input-type=module', '-e', code], {
    stdio: ['ignore', stdio, 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  return child
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function ended(t: TestContext, pid: number): Promise<void> {
  await t.waitFor(() => assert.equal(isAlive(pid), false), { timeout: 10_000 })
}

/** Opens a listening socket and gives it to the keeper, prints its port, and lives on. */
const opener = (path: string, waitSeconds: number): string => `
  const { openKeeper } = await import(${opening})
  const { ListeningSockets } = await import(${listening})
  const keeper = await openKeeper({ path: ${JSON.stringify(path)}, waitSeconds: ${waitSeconds} })
  const { createServer } = await import('node:net')
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address()
  keeper.keep('socket', [{ name: 'a', fd: server._handle.fd }])
  console.log(port)
  setInterval(() => {}, 1000)`

test('connections that arrive while the program is down wait, and the next program serves them', async t => {
  const path = makePath(t)
  const first = run(t, opener(path, 60))
  const [line] = (await once(first.stdout ?? first, 'data')) as [Buffer]
  const gone = once(first, 'exit')
  first.kill('SIGKILL')
  await gone
  const client = net.connect(Number(line), '127.0.0.1')
  t.after(() => client.destroy())
  client.write('while nobody was there')
  await once(client, 'connect')
  using keeper = await openKeeper({ path, waitSeconds: 60 })
  const kept = keeper.takeAll()
  assert.deepEqual(
    kept.map(({ name, kind }) => [name, kind]),
    [['a', 'socket']],
  )
  const server = net.createServer(socket => socket.pipe(socket)).listen({ fd: kept[0]?.fd ?? -1 })
  t.after(() => server.close())
  const [answer] = (await once(client, 'data')) as [Buffer]
  assert.equal(answer.toString(), 'while nobody was there')
})

test('hundreds of descriptors come back under their names, are replaced and dropped, and none is left over', async t => {
  const path = makePath(t)
  using sockets = new ListeningSockets()
  using keeper = await openKeeper({ path, waitSeconds: 60 })
  const { pid } = keeper.state()
  const count = (): number => readdirSync(`/proc/${pid}/fd`).length
  const before = count()
  const fds = Array.from({ length: 200 }, () => sockets.open({ transport: 'udp', address: '127.0.0.1', port: 0 }))
  const named = fds.map((fd, index) => ({ name: `socket ${index}`, fd }))
  keeper.keep('socket', named)
  keeper.keep('socket', named)
  assert.equal(keeper.state().count, 200)
  assert.equal(count(), before + 200)
  const inode = (fd: number): number => statSync(`/proc/self/fd/${fd}`).ino
  const taken = keeper.takeAll()
  const byName = (all: readonly { name: string; fd: number }[]) => all.map(({ name, fd }) => [name, inode(fd)])
  assert.deepEqual(byName(taken), byName(named))
  for (const { fd } of taken) sockets.close(fd)
  keeper.drop(named.map(({ name }) => name))
  assert.deepEqual([keeper.state().count, count()], [0, before])
  for (const fd of fds) sockets.close(fd)
})

test('sockets that nobody leads are given up after a time, and then the keeper ends', async t => {
  const path = makePath(t)
  const first = run(t, opener(path, 1))
  const [line] = (await once(first.stdout ?? first, 'data')) as [Buffer]
  let pid = 0
  {
    using client = KeeperClient.connect(path)
    const state = client?.state()
    assert.deepEqual([state?.count, state?.isLed], [1, true])
    pid = state?.pid ?? 0
  }
  first.kill('SIGKILL')
  await ended(t, pid)
  const client = net.connect(Number(line), '127.0.0.1')
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ECONNREFUSED')
  assert.equal(existsSync(path), false)
})

test('a program whose output nobody reads for now neither fails nor waits, and what it wrote last is there', async t => {
  const path = makePath(t)
  const script = `
    const { spawn } = await import('node:child_process')
    const { openKeeper } = await import(${opening})
    const { openPipe } = await import(${pipes})
    const keeper = await openKeeper({ path: ${JSON.stringify(path)}, waitSeconds: 1 })
    const { readEnd, writeEnd } = openPipe()
    const writer = spawn('python3', ['-c', ${JSON.stringify(`
import sys, time
sys.stdin.readline()
for i in range(40000): print("%09d" % i, flush=True)
sys.stderr.write("done")
time.sleep(60)`)}], { stdio: ['pipe', writeEnd, 'inherit'], detached: true })
    keeper.keep('output', [{ name: 'out', fd: readEnd }])
    console.log(writer.pid)
    setInterval(() => {}, 1000)`
  const first = spawn(process.execPath, ['--experimental-ffi', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => first.kill('SIGKILL'))
  const [line] = (await once(first.stdout, 'data')) as [Buffer]
  const writer = Number(line)
  t.after(() => isAlive(writer) && process.kill(writer, 'SIGKILL'))
  // Its input ends with the program that holds it: so it begins when nobody reads.
  first.kill('SIGKILL')
  const [done] = (await once(first.stderr, 'data')) as [Buffer]
  assert.equal(done.toString(), 'done')
  using keeper = await openKeeper({ path, waitSeconds: 1 })
  const [kept] = keeper.takeAll()
  assert.ok(kept !== undefined && kept.kind === 'output')
  const rest = spawnSync('timeout', ['2', 'cat'], { stdio: [kept.fd, 'pipe', 'inherit'], encoding: 'utf8' }).stdout
  closeSync(kept.fd)
  assert.ok(rest.endsWith('000039999\n') && rest.length >= 30_000 && rest.length <= 65_536, `${rest.length}`)
  keeper.end()
})

test('a process is kept as long as it runs, however late the next program comes', async t => {
  const path = makePath(t)
  const sleeper = spawn('sleep', ['1000'])
  t.after(() => sleeper.kill('SIGKILL'))
  using watch = new ProcessWatch()
  const fd = watch.open(sleeper.pid ?? 0)
  let pid = 0
  {
    using first = await openKeeper({ path, waitSeconds: 0.2 })
    first.keep('process', [{ name: 'a', fd }])
    using sockets = new ListeningSockets()
    const socket = sockets.open({ transport: 'udp', address: '127.0.0.1', port: 0 })
    first.keep('socket', [{ name: 'b', fd: socket }])
    sockets.close(socket)
    pid = first.state().pid
  }
  using client = KeeperClient.connect(path)
  await t.waitFor(() => assert.equal(client?.state().count, 1), { timeout: 10_000 })
  watch.close(fd)
  sleeper.kill('SIGKILL')
  await ended(t, pid)
})

test('a keeper that was killed is replaced, and its socket does not stand in the way', async t => {
  const path = makePath(t)
  let pid = 0
  {
    using keeper = await openKeeper({ path, waitSeconds: 60 })
    pid = keeper.state().pid
    assert.equal(keeper.isThere, true)
    process.kill(pid, 'SIGKILL')
    await t.waitFor(() => assert.equal(keeper.isThere, false), { timeout: 5000 })
    assert.throws(() => keeper.state(), { code: 'MESH_KEEPER' })
  }
  assert.equal(existsSync(path), true)
  assert.equal(KeeperClient.connect(path), undefined)
  using next = await openKeeper({ path, waitSeconds: 60 })
  assert.notEqual(next.state().pid, pid)
})

test('a keeper of another version hands everything over to a new one', async t => {
  const path = makePath(t)
  const options = JSON.stringify({ path, waitMs: 60_000, version: 0 })
  const code = `const { Keeper } = await import(${library}); using k = new Keeper(${options}); console.log(1); k.run()`
  const old = run(t, code)
  await once(old.stdout ?? old, 'data')
  using sockets = new ListeningSockets()
  const fd = sockets.open({ transport: 'udp', address: '127.0.0.1', port: 0 })
  {
    using client = KeeperClient.connect(path)
    assert.equal(client?.lead().version, 0)
    client?.keep('socket', [{ name: 'from before', fd }])
    client?.keep('output', [{ name: 'and a pipe', fd }])
    client?.keep('process', [{ name: 'and a process', fd }])
  }
  const gone = once(old, 'exit')
  using next = await openKeeper({ path, waitSeconds: 60 })
  assert.deepEqual(await gone, [0, null])
  assert.notEqual(next.state().pid, old.pid)
  assert.equal(existsSync(`${path}.old`), false)
  const kept = next.takeAll()
  assert.deepEqual(
    kept.map(({ name, kind }) => `${kind} ${name}`),
    ['socket from before', 'output and a pipe', 'process and a process'],
  )
  for (const each of kept) assert.equal(statSync(`/proc/self/fd/${each.fd}`).ino, statSync(`/proc/self/fd/${fd}`).ino)
  for (const each of [fd, ...kept.map(one => one.fd)]) sockets.close(each)
})

test('one leads at a time; others may count', async t => {
  const path = makePath(t)
  using first = await openKeeper({ path, waitSeconds: 60 })
  using second = KeeperClient.connect(path)
  assert.ok(second !== undefined)
  assert.throws(() => second.lead(), /somebody else leads/)
  assert.throws(() => second.takeAll(), /only who leads/)
  assert.throws(() => second.drop(['a']), /only who leads/)
  assert.equal(second.state().isLed, true)
  await assert.rejects(openKeeper({ path, waitSeconds: 60 }), /somebody else leads/)
  first[Symbol.dispose]()
  await t.waitFor(() => assert.equal(second.lead().count, 0))
})

test('what it does not understand closes nothing, and whoever is another user is turned away', async t => {
  const path = makePath(t)
  using keeper = await openKeeper({ path, waitSeconds: 60 })
  const python = (code: string, user: readonly string[] = []): string => {
    const all = `import socket, array, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(5)
try:
    s.connect(sys.argv[1])
    ${code}
except OSError as e: print(type(e).__name__)`
    const [command, ...args] = [...user, '/usr/bin/python3', '-c', all, path]
    const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: '/' })
    return stdout.trim() + stderr
  }
  assert.match(python(`s.send(b'{'); print(s.recv(999).decode())`), /"error":"SyntaxError/)
  assert.match(python(`s.send(b'{"ask":"dance"}'); print(s.recv(999).decode())`), /"error":"unknown question"/)
  const sendmsg = `s.sendmsg([b'{"ask":"keep","names":["x"],"kind":"socket"}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])`
  assert.match(python(`${sendmsg}; print(s.recv(999).decode())`), /only who leads/)
  assert.equal(python(`s.send(b'x' * 100000); print(len(s.recv(999)))`), '0')
  if (process.getuid?.() === 0) {
    // The kernel keeps others out by the file's mode; where that was changed, the keeper does.
    chmodSync(path, 0o666)
    chmodSync(dirname(path), 0o755)
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    const said = python(`s.send(b'{"ask":"count"}'); print(len(s.recv(999)))`, nobody)
    assert.match(said, /^(0|ConnectionResetError|BrokenPipeError)$/)
  }
  const { pid, count } = keeper.state()
  assert.equal(count, 0)
  const links = readdirSync(`/proc/${pid}/fd`).length
  assert.ok(links < 40, `${links} descriptors`)
})

test('it is small', async t => {
  const path = makePath(t)
  using keeper = await openKeeper({ path, waitSeconds: 60 })
  const smaps = readFileSync(`/proc/${keeper.state().pid}/smaps_rollup`, 'latin1')
  const own = Number(/^Private_Dirty: +(\d+)/m.exec(smaps)?.[1])
  t.diagnostic(`${own} kB of its own, ${/^Pss: +(\d+)/m.exec(smaps)?.[1]} kB with its share of Node`)
  assert.ok(own < 64 * 1024, `${own} kB`)
})

test('a path that is too long for a socket is refused with what to do', async () => {
  await assert.rejects(
    openKeeper({ path: `/tmp/${'x'.repeat(120)}`, waitSeconds: 1 }),
    (error: unknown) => error instanceof MeshError && error.code === 'MESH_KEEPER' && /shorter/.test(error.hint ?? ''),
  )
  assert.equal(keeperCommand({ path: '/a', waitSeconds: 7 }).slice(-2).join(' '), '/a 7')
})
