import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { memberOffset } from './btf.ts'
import { codecOf } from './codec.ts'
import { programFeature, supports } from './feature.ts'
import { attachToKernelFunction } from './link.ts'
import { loadObject } from './loaded-object.ts'
import { kernelSkip, openTestBpf, readTestObject } from './testing.ts'

const skip = kernelSkip()

interface Answers {
  readonly tgid: number
  readonly leaderTgid: number
  readonly commOffset: number
  readonly daddrOffset: number
  readonly inExecve: number
  readonly taskBytes: number
  readonly lruHash: bigint
  readonly comm: string
}

test('a program reads structs of this kernel, whatever it was compiled against', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('types'), { programs: ({ name }) => name === 'ask_kernel' })
  const codec = object.codec<Answers>('answers')
  const context = Buffer.alloc(codec.size)
  assert.equal(object.program('ask_kernel').test({ context }).returned, 0)
  const { btf } = bpf.kernelTypes()
  const task = btf.types.find(type => type.kind === 'struct' && type.name === 'task_struct')
  const comm = readFileSync('/proc/self/comm', 'utf8').trim()
  assert.deepEqual(codec.decode(context, 0), {
    tgid: process.pid,
    leaderTgid: process.pid,
    commOffset: memberOffset(btf, 'task_struct', 'comm'),
    daddrOffset: (memberOffset(btf, 'sock', '__sk_common') ?? 0) + (memberOffset(btf, 'sock_common', 'skc_daddr') ?? 0),
    inExecve: 0,
    taskBytes: task?.kind === 'struct' ? task.size : 0,
    // BPF_MAP_TYPE_LRU_HASH, which the object says is 1000.
    lruHash: 9n,
    hasComm: 1,
    hasNothing: 0,
    hasStateOfLongAgo: 0,
    hasTask: 1,
    hasNoStruct: 0,
    hasLruHash: 1,
    hasNoValue: 0,
    pad: 0,
    comm,
  })
})

test('a member that this kernel lacks is named by the error', { skip }, t => {
  const bpf = openTestBpf(t)
  assert.throws(() => loadObject(bpf, readTestObject('types'), { programs: ({ name }) => name === 'ask_in_vain' }), {
    code: 'MESH_EBPF_REFUSED',
    message: /^program ask_in_vain: .*types\.bpf\.c:\d+: .*this kernel has no struct task_struct\.nobody_has_this$/,
  })
})

test('a program calls a function of the kernel', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('types'), { programs: ({ name }) => name === 'call_kernel' })
  assert.equal(object.program('call_kernel').test({ data: Buffer.alloc(14) }).returned, 7)
})

test('programs run at the start and the end of a function of the kernel', { skip }, t => {
  const bpf = openTestBpf(t)
  if (supports(bpf, programFeature('fentry/bpf_fentry_test1')) !== true) {
    return t.skip('this kernel does not let functions be traced')
  }
  using object = loadObject(bpf, readTestObject('types'), { programs: ({ section }) => section.startsWith('f') })
  using entry = attachToKernelFunction(bpf, object.program('on_entry'))
  using exit = attachToKernelFunction(bpf, object.program('on_exit'))
  assert.equal(entry.info().programId, object.program('on_entry').info().id)
  assert.notEqual(exit.info().id, entry.info().id)
  object.program('on_entry').test()
  assert.equal(object.global<bigint>('entered').get(), 1n)
  assert.equal(object.global<bigint>('left_with').get(), 2n)
})

test('a type of the kernel has a codec too', { skip }, t => {
  const bpf = openTestBpf(t)
  const kernel = bpf.kernelTypes()
  const id = kernel.named('in_addr').find(each => kernel.btf.types[each]?.kind === 'struct') ?? 0
  const codec = codecOf<{ s_addr: number }>(kernel.btf, id)
  assert.equal(codec.size, 4)
})
