import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { MeshError } from '../../core/index.ts'
import { generateTypes } from './generate-types.ts'
import { readObject } from './object-spec.ts'
import { readTestObject } from './testing.ts'

const fileOf = (name: string): Buffer =>
  readFileSync(new URL(`../../../bpf/tests/loader/${name}.bpf.o`, import.meta.url))

test('readObject() tells maps with their kinds, sizes and flags', () => {
  const { maps } = readTestObject('maps')
  const rows = maps.map(({ name, kind, keyBytes, valueBytes, maxEntries, flags }) =>
    [name, kind, keyBytes, valueBytes, maxEntries, flags].join(' '),
  )
  assert.deepEqual(rows, [
    'groups array-of-maps 4 4 4 0',
    'shapes hash 16 152 1024 0',
    'numbers hash 4 8 100000 0',
    'recent lru-hash 4 8 64 0',
    'points array 4 8 16 0',
    'counters per-cpu-array 4 4 4 0',
    'cpu_points per-cpu-hash 8 8 16 0',
    'cpu_recent lru-per-cpu-hash 8 8 16 0',
    'prefixes lpm-trie 8 4 256 1',
    'waiting queue 0 8 4 0',
    'idle stack 0 8 4 0',
    'of_socket sk-storage 4 8 0 1',
    'of_attachment cgroup-storage 16 8 0 0',
    'of_cgroup cgroup-local-storage 4 8 0 1',
    'sockets sockhash 8 8 64 0',
    'socket_slots sockmap 4 8 8 0',
    'events ring-buffer 0 0 4096 0',
    'shared hash 4 8 8 0',
    'named_groups hash-of-maps 8 4 4 0',
  ])
  assert.deepEqual(
    maps.filter(({ isPinnedByName }) => isPinnedByName).map(({ name }) => name),
    ['shared'],
  )
  assert.equal(maps.find(({ name }) => name === 'named_groups')?.inner?.maxEntries, 2)
})

test('readObject() tells programs with their sections, functions and lines', () => {
  const { programs, license } = readTestObject('calls')
  assert.equal(license, 'Dual MIT/GPL')
  assert.deepEqual(
    programs.map(({ name, section, functions }) => [name, section, functions.map(each => each.name).join()]),
    [
      ['call_callback', 'tc', 'call_callback,add'],
      ['call_global', 'tc', 'call_global,plus_seven,twice'],
      ['call_static', 'tc', 'call_static,twice'],
    ],
  )
  const [line] = programs[2]?.lines ?? []
  assert.equal(line?.file, 'bpf/tests/loader/calls.bpf.c')
  assert.equal(line.text, 'return twice(skb->len);')
})

test('readObject() tells global data with the places of variables', () => {
  const { globals } = readTestObject('globals')
  assert.deepEqual(
    globals.map(({ name, isConstant, variables }) => [
      name,
      isConstant,
      variables
        .map(each => each.name)
        .sort()
        .join(),
    ]),
    [
      ['.rodata', true, 'addresses,is_broken,limit'],
      ['.data', false, 'start'],
      ['.data.totals', false, 'total'],
      ['.bss', false, 'seen'],
    ],
  )
})

test('readObject() tells what depends on the kernel', () => {
  const { programs } = readTestObject('types')
  const named = (name: string) => programs.find(program => program.name === name)
  assert.deepEqual(
    named('call_kernel')?.kernelCalls.map(({ name }) => name),
    ['bpf_rcu_read_lock', 'bpf_rcu_read_unlock'],
  )
  assert.ok((named('ask_kernel')?.typeRelocations.length ?? 0) > 10)
  assert.equal(named('on_entry')?.section, 'fentry/bpf_fentry_test1')
})

test('the same bytes give the same specification', () => {
  const [one, two] = [readTestObject('hooks'), readTestObject('hooks')]
  assert.deepEqual(one.programs, two.programs)
  assert.deepEqual(one.maps, two.maps)
  assert.deepEqual(one.btfBytes, two.btfBytes)
})

test('a file that is no object is refused with a reason', () => {
  const cases: readonly (readonly [bytes: Uint8Array, message: RegExp])[] = [
    [Buffer.alloc(0), /^object x: no ELF file$/],
    [readFileSync(process.execPath).subarray(0, 4096), /^object x: machine \d+, not BPF \(247\)$/],
    [fileOf('maps').subarray(0, 2_000), /^object x: /],
  ]
  for (const [bytes, message] of cases) {
    assert.throws(() => readObject(bytes, { name: 'x' }), { code: 'MESH_EBPF_OBJECT', message })
  }
})

test('a damaged object is read or refused, and never anything else', () => {
  const whole = fileOf('maps')
  let refused = 0
  // Every 7th byte of the file, and every length that is a multiple of 101.
  for (let at = 0; at < whole.length; at += 7) {
    const bytes = Buffer.from(whole)
    bytes[at] = (bytes[at] ?? 0) ^ 0xff
    if (isRefused(bytes)) refused++
  }
  for (let length = 0; length < whole.length; length += 101) if (isRefused(whole.subarray(0, length))) refused++
  assert.ok(refused > 100, `${refused}`)
})

function isRefused(bytes: Uint8Array): boolean {
  try {
    readObject(bytes, { name: 'damaged' })
    return false
  } catch (error) {
    assert.ok(error instanceof MeshError, String(error))
    assert.equal(error.code, 'MESH_EBPF_OBJECT')
    return true
  }
}

test('generateTypes() writes what maps take', t => {
  t.assert.snapshot(generateTypes(readTestObject('maps')), { serializers: [String] })
  t.assert.snapshot(generateTypes(readTestObject('events'), { types: ['event'] }), { serializers: [String] })
})
