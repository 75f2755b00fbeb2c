import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assemble } from './assemble.ts'
import { command } from './bpf.ts'
import { helperFeature, supports } from './feature.ts'
import { loadObject } from './loaded-object.ts'
import { Program } from './program.ts'
import { kernelSkip, openTestBpf, readTestObject } from './testing.ts'

const skip = kernelSkip()

test('assemble() writes instructions as the kernel reads them', () => {
  const program = assemble([
    { op: 'set', register: 0, value: -1 },
    { op: 'move', to: 6, from: 1 },
    { op: 'add', register: 2, value: -8 },
    { op: 'store', register: 10, offset: -8, value: 7 },
    { op: 'load', to: 0, from: 10, offset: -8 },
    { op: 'load-map', to: 1, fd: 9 },
    { op: 'call', helper: 1 },
    { op: 'exit' },
  ])
  const lines = Array.from({ length: program.length / 8 }, (_, at) => program.toString('hex', at * 8, at * 8 + 8))
  assert.deepEqual(lines, [
    'b7000000ffffffff',
    'bf16000000000000',
    '07020000f8ffffff',
    '7a0af8ff07000000',
    '79a0f8ff00000000',
    '1811000009000000',
    '0000000000000000',
    '8500000001000000',
    '9500000000000000',
  ])
  assert.throws(() => assemble([{ op: 'move', to: 11, from: 0 }]), RangeError)
  assert.throws(() => assemble([{ op: 'load', to: 1, from: 0, offset: 40_000 }]), RangeError)
})

test('what was assembled runs', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('events'))
  // A lookup in the per-CPU array of lost records: its address is not null.
  const instructions = assemble([
    { op: 'store', register: 10, offset: -8, value: 0 },
    { op: 'move', to: 2, from: 10 },
    { op: 'add', register: 2, value: -8 },
    { op: 'load-map', to: 1, fd: object.map('events_lost').fd },
    { op: 'call', helper: 1 },
    { op: 'set', register: 0, value: 42 },
    { op: 'exit' },
  ])
  const attr = bpf
    .attr(command.progLoad)
    .u32(0, 3)
    .u32(4, instructions.length / 8)
  const fd = bpf.try(command.progLoad, attr.memory(8, instructions).memory(16, Buffer.from('GPL\0')))
  assert.ok(fd > 0, `${fd}`)
  using program = new Program(bpf, bpf.own(fd, 'program assembled'), { name: 'assembled', section: 'tc' })
  assert.equal(program.test({ data: Buffer.alloc(14) }).returned, 42)
})

/** By the tables of helpers in the sources of Linux 6.18 (net/core/filter.c). */
const helpers = [
  ['cgroup/connect4', 46, 'bpf_get_socket_cookie', true],
  ['cgroup/connect4', 123, 'bpf_get_current_ancestor_cgroup_id', true],
  ['sk_msg', 46, 'bpf_get_socket_cookie', false],
  ['cgroup_skb/egress', 83, 'bpf_skb_ancestor_cgroup_id', true],
  ['sockops', 70, 'bpf_sock_hash_update', true],
  ['sockops', 4_000, 'of no number', false],
] as const

for (const [section, helper, name, expected] of helpers) {
  test(`helperFeature() finds out whether ${section} may call ${name}`, { skip }, t => {
    const bpf = openTestBpf(t)
    assert.equal(supports(bpf, helperFeature(section, { helper, name, firstKernel: '6.1' })), expected)
  })
}
