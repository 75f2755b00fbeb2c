import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeBpffs, readTestObject } from '../../src/kernel/ebpf/testing.ts'
import { attachToCgroup, Bpf, createMap, listPins, loadObject } from '../../src/kernel/index.ts'
import type { MapSpec } from '../../src/kernel/index.ts'
import { until } from '../support/until.ts'
import type { Python } from './python.ts'
import { closed, datapathSkip, isThere, serve, World } from './world.ts'

const skip = datapathSkip()

/** As no version ever had it. */
const strange: MapSpec = {
  name: 'strange',
  kind: 'array',
  keyBytes: 4,
  valueBytes: 40,
  maxEntries: 3,
  flags: 0,
  keyType: 0,
  valueType: 0,
  isPinnedByName: false,
  inner: undefined,
}

/** Connects all the time, on a thread, and counts what comes of it, by the name of the exception. */
const tries = (address: string, port: number): string => `
import collections, threading, time
counts, is_over = collections.Counter(), threading.Event()
def run():
  while not is_over.is_set():
    try:
      with socket.create_connection(("${address}", ${port}), 5): counts["through"] += 1
    except OSError as error: counts[type(error).__name__] += 1
    time.sleep(0.001)
thread = threading.Thread(target=run)
thread.start()`

test(
  'a version whose pinned maps look different takes over: policies never open, Services are led, and only what differs is new',
  { skip, timeout: 120_000 },
  async t => {
    using bpf = new Bpf()
    const pinFolder = makeBpffs(t, bpf)
    const world = new World(t, { pinFolder })
    const endpoint = await serve(t, 'endpoint')
    const addresses = ['127.99.0.1', 'fd68:6564:646c::7f63:1']
    world.update([{ name: 'db', addresses, port: 80, endpoints: [endpoint] }], [closed('shop/deny', [])])
    const [refused, led] = [world.python('shop/client'), world.python('shop/other')]
    for (const each of [refused, led]) await each.do(tries('127.99.0.1', 80))

    const idsBefore = (): Map<string, number> => new Map(listPins(bpf, pinFolder).map(({ path, id }) => [path, id]))
    const maps = listPins(bpf, pinFolder).filter(({ kind }) => kind === 'map')
    assert.ok(maps.length > 4)
    for (const { path } of maps) {
      const before = idsBefore()
      {
        using other = createMap(bpf, strange)
        other.pin(path, { replace: true })
      }
      world.succeed()
      const after = idsBefore()
      assert.deepEqual([...after.keys()], [...before.keys()])
      const changed = [...after].filter(([name, id]) => before.get(name) !== id).map(([name]) => name)
      assert.deepEqual(changed, [path])
      await moved(refused)
      await moved(led)
    }

    for (const each of [refused, led]) await each.do('is_over.set(); thread.join()')
    assert.deepEqual(await kinds(refused), '["PermissionError"]')
    assert.deepEqual(await kinds(led), '["through"]')
  },
)

async function kinds(program: Python): Promise<string> {
  return await program.do('json.dumps(sorted(counts))')
}

/** It has tried since, so that each version was in force for some time. */
async function moved(program: Python): Promise<void> {
  await program.do('at = sum(counts.values())')
  while ((await program.do('sum(counts.values()) > at + 3')) !== 'True');
}

test('programs and maps that this version does not have end when it takes over', { skip }, async t => {
  using bpf = new Bpf()
  const pinFolder = makeBpffs(t, bpf)
  const world = new World(t, { pinFolder })
  const names = (): readonly string[] => listPins(bpf, pinFolder).map(({ path }) => path)
  const before = names()
  let link = 0
  {
    using object = loadObject(bpf, readTestObject('hooks'), {
      programs: ({ section }) => section === 'cgroup/connect4',
    })
    const [program] = object.programs.values()
    assert.ok(program !== undefined)
    using old = attachToCgroup(bpf, program, world.cgroup.folder)
    old.pin(`${pinFolder}/hd_of_old`)
    link = old.info().id
    using map = createMap(bpf, strange)
    map.pin(`${pinFolder}/hd_map_of_old`)
  }
  assert.equal(names().length, before.length + 2)
  assert.ok(isThere(bpf, ['link', link]))
  world.succeed()
  assert.deepEqual(names(), before)
  // The kernel frees in the background.
  await until(() => !isThere(bpf, ['link', link]))
})
