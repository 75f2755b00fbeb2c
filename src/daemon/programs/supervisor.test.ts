import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ManualClock, silentLogger } from '../../core/index.ts'
import type { ServiceAddress, Workload } from '../../model/index.ts'
import { LineSplitter } from './line-splitter.ts'
import { serviceEnvironment } from './service-environment.ts'
import { Supervisor } from './supervisor.ts'
import type { WantedPrograms } from './supervisor.ts'

function workloadOf(script: string, options: { env?: Record<string, string>; key?: string } = {}): Workload {
  return {
    key: options.key ?? 'shop/a',
    namespace: 'shop',
    name: 'a',
    labels: {},
    service: 'a',
    address: '127.0.0.1',
    port: 9001,
    process: {
      command: ['/bin/sh', '-c', script],
      env: options.env ?? {},
      workingDirectory: '/',
      restartBackoffMs: 100,
    },
    healthCheck: undefined,
  }
}

const addresses: readonly ServiceAddress[] = [
  { namespace: 'shop', service: 'product-page', address: '127.77.0.1', port: 80, portName: 'http' },
  { namespace: 'shop', service: 'product-page', address: '127.77.0.1', port: 81, portName: 'admin-x' },
  { namespace: 'other', service: 'db', address: '127.77.0.2', port: 5432, portName: '' },
]

function wanted(workloads: readonly Workload[], serviceAddresses: readonly ServiceAddress[] = []): WantedPrograms {
  return { workloads, serviceAddresses, problems: [] }
}

function open(t: TestContext, options: { released?: () => Promise<void> } = {}) {
  const clock = new ManualClock()
  const lines: string[] = []
  const restarts: string[] = []
  const changes: string[] = []
  let wake: (() => void) | undefined
  const supervisor = new Supervisor({
    clock,
    logger: { ...silentLogger, warn: () => wake?.() },
    env: { PATH: process.env['PATH'], HEDDLE_WORKERS: '9', NODE_COMPILE_CACHE: '/root/.cache/heddle/compiled' },
    onOutput: (workload, stream, line) => {
      lines.push(`${workload} ${stream} ${line}`)
      wake?.()
    },
    onChange: () => {
      changes.push(supervisor.stateOf('shop/a'))
      wake?.()
    },
    onRestart: workload => restarts.push(workload),
    ...options,
  })
  t.after(async () => {
    supervisor.kill()
    await supervisor.stop()
  })
  const until = async (condition: () => boolean) => {
    while (!condition()) {
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  }
  return { clock, supervisor, lines, restarts, changes, until }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie that waits for its parent is dead for our purpose.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function untilDead(t: TestContext, pid: number): Promise<void> {
  await t.waitFor(() => assert.equal(isAlive(pid), false), { interval: 10, timeout: 8000 })
}

test('Supervisor gives a program its port, the Services of its namespace and its own variables, and reads its output', async t => {
  const { supervisor, lines, until } = open(t)
  const script =
    'echo $PORT $PRODUCT_PAGE_SERVICE_HOST:$PRODUCT_PAGE_SERVICE_PORT [$DB_SERVICE_HOST] [$HEDDLE_WORKERS$NODE_COMPILE_CACHE] $COLOUR; echo oops >&2; exec sleep 100'
  supervisor.update(wanted([workloadOf(script, { env: { COLOUR: 'red' } })], addresses))
  await until(() => lines.length === 2)
  assert.deepEqual(lines.toSorted(), ['shop/a stderr oops', 'shop/a stdout 9001 127.77.0.1:80 [] [] red'])
  assert.equal(supervisor.states().get('shop/a')?.kind, 'running')
})

test('Supervisor starts a program again after a pause that doubles, and as at first after a minute', async t => {
  const { supervisor, lines, clock, restarts, changes, until } = open(t)
  const waiting = () => supervisor.states().get('shop/a')?.kind === 'waiting' && clock.pending === 1
  supervisor.update(wanted([workloadOf('echo started; exit 3')]))
  for (const [round, pauseMs] of [100, 200, 400].entries()) {
    await until(() => waiting() && restarts.length === round)
    clock.advance(pauseMs - 1)
    assert.equal(restarts.length, round)
    clock.advance(1)
    assert.equal(restarts.length, round + 1)
  }
  await until(() => lines.length === 4 && waiting())
  const state = supervisor.states().get('shop/a')
  assert.deepEqual(state, { kind: 'waiting', lastExit: 'exit code 3', restarts: 3 })
  assert.deepEqual(changes, ['not started', ...Array.from({ length: 4 }, () => ['running', 'ended']).flat()])
})

test('Supervisor says so when there is no such program', async t => {
  const { supervisor, until } = open(t)
  const workload = workloadOf('')
  const process = workload.process ?? assert.fail()
  supervisor.update(wanted([{ ...workload, process: { ...process, command: ['/no/such/program'] } }]))
  await until(() => JSON.stringify(supervisor.states().get('shop/a')).includes('no program'))
  const state = supervisor.states().get('shop/a')
  assert.deepEqual(state, {
    kind: 'waiting',
    lastExit: 'there is no program /no/such/program, or no directory /',
    restarts: 0,
  })
})

test('Supervisor restarts a changed program after its predecessor is gone and leaves an unchanged one alone', async t => {
  const { supervisor, lines, until } = open(t)
  const first = workloadOf('trap "echo bye; exit" TERM; echo up $$; exec 2>/dev/null; while :; do sleep 0.02; done')
  supervisor.update(wanted([first], addresses))
  await until(() => lines.length === 1)
  supervisor.update(wanted([{ ...first, labels: { version: 'v2' } }], addresses))
  supervisor.update(wanted([workloadOf('echo changed; exec sleep 100')], addresses))
  await until(() => lines.some(line => line.endsWith('changed')))
  assert.deepEqual(
    lines.map(line => line.replace(/\d+$/, 'PID')),
    ['shop/a stdout up PID', 'shop/a stdout bye', 'shop/a stdout changed'],
  )
})

test('Supervisor stops a removed program with its whole process group', async t => {
  const { supervisor, lines, until } = open(t)
  supervisor.update(wanted([workloadOf('sleep 100 & echo $!; wait')]))
  await until(() => lines.length === 1)
  const grandchild = Number(lines[0]?.split(' ')[2])
  assert.equal(isAlive(grandchild), true)
  supervisor.update(wanted([]))
  await untilDead(t, grandchild)
  assert.equal(supervisor.states().size, 0)
})

test('Supervisor.stop() kills a program that ignores SIGTERM', async t => {
  const { supervisor, lines, clock, until } = open(t)
  supervisor.update(wanted([workloadOf('trap "" TERM; echo $$; exec 2>/dev/null; while :; do sleep 0.02; done')]))
  await until(() => lines.length === 1)
  const pid = Number(lines[0]?.split(' ')[2])
  const stopped = supervisor.stop()
  assert.equal(isAlive(pid), true)
  clock.advance(10_000)
  await stopped
  assert.equal(isAlive(pid), false)
  assert.equal(clock.pending, 0)
})

test('Supervisor.kill() kills at once what stop() would wait for', async t => {
  const { supervisor, lines, until } = open(t)
  supervisor.update(wanted([workloadOf('exec 2>/dev/null; trap "" TERM; echo $$; while :; do sleep 0.02; done')]))
  await until(() => lines.length === 1)
  const stopped = supervisor.stop()
  supervisor.kill()
  await stopped
  assert.equal(isAlive(Number(lines[0]?.split(' ')[2])), false)
})

test('no supervised process outlives an agent that is killed', async t => {
  const directory = mkdtempSync(path.join(tmpdir(), 'heddle-guard-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const host = new URL('./supervisor-host.ts', import.meta.url).pathname
  const agent = spawn(process.execPath, [host, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => agent.kill('SIGKILL'))
  const pids = await new Promise<number[]>(resolve => {
    agent.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString().trim().split(' ').map(Number)))
  })
  assert.deepEqual(pids.map(isAlive), [true, true, true])
  agent.kill('SIGKILL')
  for (const pid of pids) await untilDead(t, pid)
  assert.equal(existsSync(path.join(directory, 'terminated')), true, 'the program had SIGTERM first')
})

test('the guard that dies is replaced and knows the groups', async t => {
  const directory = mkdtempSync(path.join(tmpdir(), 'heddle-guard-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const host = new URL('./supervisor-host.ts', import.meta.url).pathname
  const agent = spawn(process.execPath, [host, directory, 'kill-guard'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => agent.kill('SIGKILL'))
  const pids = await new Promise<number[]>(resolve => {
    agent.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString().trim().split(' ').map(Number)))
  })
  agent.kill('SIGKILL')
  for (const pid of pids) await untilDead(t, pid)
})

test('serviceEnvironment() names services as Kubernetes does', () => {
  assert.deepEqual(serviceEnvironment('shop', addresses), {
    PRODUCT_PAGE_SERVICE_HOST: '127.77.0.1',
    PRODUCT_PAGE_SERVICE_PORT: '80',
    PRODUCT_PAGE_SERVICE_PORT_HTTP: '80',
    PRODUCT_PAGE_SERVICE_PORT_ADMIN_X: '81',
  })
})

const splits: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['joins parts', ['a', 'b\nc', '\n'], ['ab', 'c']],
  ['keeps empty lines', ['\n\na\n'], ['', '', 'a']],
  ['strips a final CR', ['a\r\n'], ['a']],
  ['gives the rest at the end', ['a\nb'], ['a', 'b']],
]
for (const [name, parts, expected] of splits) {
  test(`LineSplitter ${name}`, () => {
    const lines: string[] = []
    const splitter = new LineSplitter(line => lines.push(line))
    for (const part of parts) splitter.write(Buffer.from(part))
    splitter.end()
    assert.deepEqual(lines, expected)
  })
}

test('LineSplitter holds at most one bounded line and joins split letters', () => {
  const lines: string[] = []
  const splitter = new LineSplitter(line => lines.push(line))
  const bytes = Buffer.from('ö\n')
  splitter.write(bytes.subarray(0, 1))
  splitter.write(bytes.subarray(1))
  splitter.write(Buffer.from('x'.repeat(40_000)))
  splitter.end()
  assert.deepEqual(
    lines.map(line => line.length),
    [1, 16_384, 16_384, 7232],
  )
  assert.equal(lines[0], 'ö')
})

test('Supervisor ends a program that was removed only when no request goes there any more', async t => {
  const moved = Promise.withResolvers<void>()
  const { supervisor, lines, until } = open(t, { released: () => moved.promise })
  supervisor.update(wanted([workloadOf('echo $$; exec sleep 100')]))
  await until(() => lines.length === 1)
  const pid = Number(lines[0]?.split(' ')[2])
  supervisor.update(wanted([]))
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(isAlive(pid), true)
  moved.resolve()
  await untilDead(t, pid)
})

test('Supervisor does not wait for traffic when everything stops', async t => {
  const { supervisor, lines, until } = open(t, { released: () => new Promise(() => {}) })
  supervisor.update(wanted([workloadOf('echo $$; exec sleep 100')]))
  await until(() => lines.length === 1)
  supervisor.update(wanted([]))
  await supervisor.stop()
  assert.equal(isAlive(Number(lines[0]?.split(' ')[2])), false)
})

test('Supervisor keeps a program whose Workload comes back while it may still get requests', async t => {
  const releases: PromiseWithResolvers<void>[] = []
  const released = () => {
    const release = Promise.withResolvers<void>()
    releases.push(release)
    return release.promise
  }
  const { supervisor, lines, changes, until } = open(t, { released })
  const workload = workloadOf('echo $$; exec sleep 100')
  supervisor.update(wanted([workload]))
  await until(() => lines.length === 1)
  const pid = Number(lines[0]?.split(' ')[2])
  supervisor.update(wanted([]))
  supervisor.update(wanted([workload]))
  assert.deepEqual(changes.slice(-2), ['not started', 'running'])
  // It leaves again: the end of the first wait is not the end of the second.
  supervisor.update(wanted([]))
  releases[0]?.resolve()
  await new Promise(resolve => setImmediate(resolve))
  supervisor.update(wanted([workload]))
  releases[1]?.resolve()
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual([isAlive(pid), supervisor.states().get('shop/a')?.kind, lines.length], [true, 'running', 1])
})

test('Supervisor tells that a changed program does not run before it ends its predecessor', async t => {
  const moved = Promise.withResolvers<void>()
  const { supervisor, lines, changes, until } = open(t, { released: () => moved.promise })
  supervisor.update(wanted([workloadOf('echo first $$; exec sleep 100')]))
  await until(() => lines.length === 1)
  const pid = Number(lines[0]?.split(' ').at(-1))
  supervisor.update(wanted([workloadOf('echo second; exec sleep 100')]))
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual([isAlive(pid), changes.at(-1), lines.length], [true, 'not started', 1])
  moved.resolve()
  await until(() => lines.length === 2)
  assert.equal(isAlive(pid), false)
})
