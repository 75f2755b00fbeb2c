import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codecOf, perCpuCodec } from './codec.ts'
import { readTestObject } from './testing.ts'
import { fitProgram } from './type-relocation.ts'
import { TypeIndex } from './type-index.ts'

function codecNamed<T>(name: string) {
  const { btf } = readTestObject('maps')
  return codecOf<T>(
    btf,
    btf.types.findIndex(type => type.kind === 'struct' && type.name === name),
  )
}

test('a struct is laid out as in C, with padding of zeros', () => {
  const codec = codecNamed<{ kind: number; id: number; owner: bigint }>('shape_key')
  const bytes = Buffer.alloc(18, 0xff)
  codec.encode({ kind: 1, id: 0x0203_0405, owner: 6n }, bytes, 1)
  assert.equal(bytes.toString('hex'), 'ff' + '01000000' + '05040302' + '0600000000000000' + 'ff')
  assert.deepEqual(codec.decode(bytes, 1), { kind: 1, id: 0x0203_0405, owner: 6n })
})

test('bytes that were decoded are copies', () => {
  const codec = codecNamed<{ length: number; address: Uint8Array }>('prefix')
  const bytes = Buffer.from([24, 0, 0, 0, 10, 1, 2, 0])
  const value = codec.decode(bytes, 0)
  bytes.fill(0)
  assert.deepEqual(value, { length: 24, address: Uint8Array.of(10, 1, 2, 0) })
})

test('values of CPUs lie at multiples of 8 bytes', () => {
  const codec = perCpuCodec(codecNamed<{ x: number; y: number }>('point'), 2)
  const bytes = Buffer.alloc(codec.size)
  codec.encode(
    [
      { x: 1, y: -1 },
      { x: 2, y: -2 },
    ],
    bytes,
    0,
  )
  assert.equal(bytes.toString('hex'), '01000000ffff0000' + '02000000feff0000')
})

test('a program stays as it was compiled for a kernel that is as it thinks', () => {
  const { btf: local, programs } = readTestObject('types')
  const program = programs.find(({ name }) => name === 'ask_in_vain')
  assert.ok(program !== undefined)
  const fitted = fitProgram(program, Buffer.from(program.instructions), { local, kernel: new TypeIndex(local) })
  assert.deepEqual(fitted.missing, [])
  assert.equal(fitted.instructions.toString('hex'), Buffer.from(program.instructions).toString('hex'))
})

test('a program for a kernel without any types lacks all it reads, each by its name', () => {
  const { btf: local, programs } = readTestObject('types')
  const program = programs.find(({ name }) => name === 'ask_kernel')
  assert.ok(program !== undefined)
  const kernel = new TypeIndex({ types: [{ kind: 'void' }], offsets: [0], text: () => '' })
  const { missing } = fitProgram(program, Buffer.from(program.instructions), { local, kernel })
  const names = [...new Set(missing.map(({ what }) => what))]
  assert.deepEqual(names.toSorted(), [
    'enum bpf_map_type: BPF_MAP_TYPE_LRU_HASH',
    'struct sock.__sk_common.skc_daddr',
    'struct task_struct.comm',
    'struct task_struct.group_leader',
    'struct task_struct.in_execve',
    'struct task_struct.nobody_has_this',
    'struct task_struct.tgid',
  ])
})
