import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, signed, unsigned } from './byte-reader.ts'
import { addedExports, confine } from './confine.ts'
import { CpuBudget } from './cpu-budget.ts'
import { Engine } from './engine.ts'
import { compileGuest } from './guest-module.ts'
import { bodyOf, moduleOf, nameOf, vectorOf } from './testing.ts'
import { webAssembly } from './web-assembly.ts'

const memory: readonly [number, readonly number[]] = [5, vectorOf([0, 1])]
const exportsOf = (...functions: readonly string[]): readonly [number, readonly number[]] => [
  7,
  vectorOf([...nameOf('memory'), 2, 0], ...functions.map((name, index) => [...nameOf(name), 0, index])),
]

/** A module with one function of no parameters and no results. */
function withCode(...instructions: readonly number[]): Uint8Array {
  return moduleOf([1, vectorOf([0x60, 0, 0])], [3, vectorOf([0])], memory, exportsOf('f'), [
    10,
    vectorOf(bodyOf(...instructions)),
  ])
}

/** Runs `f` with a clock that moves on by `stepMs` each time it is read. */
async function run(
  bytes: Uint8Array,
  stepMs: number,
  limitMs = 10,
): Promise<{ error: unknown; budget: CpuBudget; looks: number }> {
  let looks = 0
  const budget = new CpuBudget(() => ++looks * stepMs)
  const guest = new Engine(budget).instantiate(await compileGuest(bytes), {})
  budget.begin(limitMs)
  let error: unknown
  try {
    guest.function('f')?.()
  } catch (caught) {
    error = caught
  }
  return { error, budget, looks }
}

// i32.const 0, loop, br 0
const endless = [0x03, 0x40, 0x0c, 0, 0x0b]

const stopped: Readonly<Record<string, readonly number[]>> = {
  'a loop': endless,
  'a loop in a loop': [0x03, 0x40, ...endless, 0x0b],
  'a loop that fills memory': [0x03, 0x40, 0x41, 0, 0x41, 0, 0x41, ...signed(65_536), 0xfc, 11, 0, 0x0c, 0, 0x0b],
  'a loop that copies memory': [0x03, 0x40, 0x41, 0, 0x41, 0, 0x41, ...signed(65_536), 0xfc, 10, 0, 0, 0x0c, 0, 0x0b],
  'a loop that grows memory by nothing': [0x03, 0x40, 0x41, 0, 0x40, 0, 0x1a, 0x0c, 0, 0x0b],
}

for (const [name, code] of Object.entries(stopped)) {
  test(`confine() lets the host stop ${name}`, async () => {
    const { error, budget, looks } = await run(withCode(...code), 1)
    assert.match(String(error), /RuntimeError: unreachable/)
    assert.equal(budget.isExceeded, true)
    assert.equal(looks, 11)
  })
}

test('confine() counts bulk operations by their size', async () => {
  // Each fills 64 KiB, so that a slice is used up after 49 of them, and not after 50,000.
  const { looks } = await run(
    withCode(...Array.from({ length: 200 }, () => [0x41, 0, 0x41, 0, 0x41, ...signed(65_536), 0xfc, 11, 0]).flat()),
    0,
  )
  assert.ok(looks >= 4 && looks <= 6, `${looks} looks`)
})

test('confine() lets the host stop functions that call themselves', async () => {
  // f(n): if n == 0 return; f(n - 1); f(n - 1), from 60 on.
  const half = [0x20, 0, 0x41, 1, 0x6b, 0x10, 1]
  const recursive = [0x20, 0, 0x45, 0x04, 0x40, 0x0f, 0x0b, ...half, ...half]
  const bytes = moduleOf(
    [1, vectorOf([0x60, 0, 0], [0x60, 1, 0x7f, 0])],
    [3, vectorOf([0], [1])],
    memory,
    exportsOf('f'),
    [10, vectorOf(bodyOf(0x41, 60, 0x10, 1), bodyOf(...recursive))],
  )
  const { error, budget } = await run(bytes, 1)
  assert.match(String(error), /unreachable/)
  assert.equal(budget.isExceeded, true)
})

test('confine() costs a short call no look at the clock after its first slice', async () => {
  let looks = 0
  const budget = new CpuBudget(() => ++looks)
  const module = await compileGuest(withCode(0x03, 0x40, 0x0b))
  const guest = new Engine(budget).instantiate(module, {})
  for (let call = 0; call < 50_000; call++) {
    budget.begin(10)
    guest.function('f')?.()
  }
  assert.equal(looks, 1)
})

test('CpuBudget gives each call its whole time', () => {
  let nowMs = 0
  const budget = new CpuBudget(() => nowMs)
  for (let call = 0; call < 3; call++) {
    budget.begin(10)
    assert.ok(budget.refuel() > 0)
    nowMs += 9
    assert.ok(budget.refuel() > 0)
    nowMs += 1
    assert.equal(budget.refuel(), 0)
    assert.equal(budget.isExceeded, true)
    // A module that caught its end gets nothing more.
    assert.equal(budget.refuel(), 0)
  }
})

test('confine() stops a start function that does not end', async () => {
  const bytes = moduleOf(
    [1, vectorOf([0x60, 0, 0])],
    [3, vectorOf([0])],
    memory,
    exportsOf(),
    [8, [0]],
    [10, vectorOf(bodyOf(...endless))],
  )
  const module = await compileGuest(bytes)
  assert.throws(() => new Engine().instantiate(module, {}), webAssembly.RuntimeError)
})

test('confine() gives memories and tables a maximum', async () => {
  const grow = moduleOf(
    [1, vectorOf([0x60, 1, 0x7f, 1, 0x7f], [0x60, 1, 0x7f, 1, 0x7f])],
    [3, vectorOf([0], [1])],
    [4, vectorOf([0x70, 0, 1])],
    memory,
    exportsOf('memory_grow', 'table_grow'),
    [10, vectorOf(bodyOf(0x20, 0, 0x40, 0), bodyOf(0xd0, 0x70, 0x20, 0, 0xfc, 15, 0))],
  )
  const guest = new Engine().instantiate(await compileGuest(grow, { memoryLimitBytes: 3 * 65_536 }), {})
  assert.equal(guest.function('memory_grow')?.(2), 1)
  assert.equal(guest.function('memory_grow')?.(1), -1)
  assert.equal(guest.memory.byteLength, 3 * 65_536)
  assert.equal(guest.function('table_grow')?.(999_999), 1)
  assert.equal(guest.function('table_grow')?.(1), -1)
})

test('confine() leaves out machine code for other engines, and keeps names', () => {
  const bytes = moduleOf([0, [...nameOf('precompiled_v8'), 1, 2, 3]], [0, [...nameOf('other'), 7]])
  const sections = Buffer.from(confine(bytes, { memoryLimitBytes: 65_536, time: 'metered' })).toString('latin1')
  assert.ok(!sections.includes('precompiled'))
  assert.ok(sections.includes('other'))
})

test('confine() adds nothing to code that is not to be metered', async () => {
  const { module } = await compileGuest(withCode(...endless), { time: 'unmetered' })
  const names = webAssembly.Module.exports(module).map(({ name }) => name)
  assert.deepEqual(names, ['memory', 'f'])
  assert.deepEqual(
    Object.values(addedExports).filter(name => names.includes(name)),
    [],
  )
})

const refused: Readonly<Record<string, readonly [bytes: Uint8Array, message: RegExp]>> = {
  'no module': [Buffer.from('<html>not found</html>'), /no WebAssembly module of version 1/],
  nothing: [new Uint8Array(0), /no WebAssembly module/],
  'a module that is cut off': [withCode(...endless).subarray(0, -3), /ends too early/],
  'a section longer than the module': [Uint8Array.from([...moduleOf(), 1, 99]), /ends too early/],
  'an integer without end': [Uint8Array.from([...moduleOf(), 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), /too long/],
  'an imported memory': [
    moduleOf([2, vectorOf([...nameOf('env'), ...nameOf('memory'), 2, 0, 1])]),
    /imports its memory \(env\.memory\)/,
  ],
  'a shared memory': [moduleOf([5, vectorOf([3, 1, 2])]), /shared between threads/],
  'a memory of 64 bits': [moduleOf([5, vectorOf([4, 1])]), /64 bits/],
  'a memory beyond the limit': [
    moduleOf([5, vectorOf([0, ...unsigned(5000)])]),
    /begins with 327680000 bytes of memory/,
  ],
  'garbage-collected types': [moduleOf([1, vectorOf([0x5f, 0])]), /garbage-collected/],
  'an instruction of garbage collection': [withCode(0xfb, 0), /0xfb .*not supported/],
  'no memory': [moduleOf(), /exports no memory/],
  'code that is not valid': [withCode(0x6a), /WebAssembly\.compile/],
  'more code than functions': [moduleOf([10, vectorOf(bodyOf())]), /not as much code as functions/],
}

for (const [name, [bytes, message]] of Object.entries(refused)) {
  test(`compileGuest() refuses ${name}`, async () => {
    await assert.rejects(compileGuest(bytes), { code: 'MESH_PLUGIN_INVALID', message })
  })
}

test('compileGuest() never fails otherwise, whatever it is given', async () => {
  const valid = withCode(...endless)
  for (let at = 8; at < valid.length; at++) {
    for (const byte of [0, 0x7f, 0x80, 0xff]) {
      const bytes = Uint8Array.from(valid)
      bytes[at] = byte
      await compileGuest(bytes).catch((error: unknown) =>
        assert.equal((error as { code?: string }).code, 'MESH_PLUGIN_INVALID'),
      )
    }
  }
})

for (const value of [0, 1, 63, 64, 127, 128, 8191, 8192, 65_536, 2 ** 31 - 1, -1, -64, -65, -(2 ** 31)]) {
  test(`signed() and unsigned() write ${value} as it is read`, () => {
    const reader = new ByteReader(Uint8Array.from(signed(value)))
    reader.skipInteger()
    assert.ok(reader.isAtEnd)
    if (value >= 0) assert.equal(new ByteReader(Uint8Array.from(unsigned(value))).u32(), value)
  })
}
