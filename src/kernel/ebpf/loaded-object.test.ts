import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../../core/index.ts'
import { loadObject } from './loaded-object.ts'
import { kernelSkip, makeBpffs, openTestBpf, readTestObject } from './testing.ts'
import { VerifierRefusal } from './verifier-error.ts'

const skip = kernelSkip()
/** A packet that is as long as `length`. */
const packet = (length: number): Buffer => Buffer.alloc(length)

test('functions in .text, beside the program, and callbacks are linked', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('calls'))
  const run = (name: string): number => object.program(name).test({ data: packet(64) }).returned
  assert.equal(run('call_static'), 128)
  assert.equal(run('call_global'), 64 * 2 + 7 + 2)
  assert.equal(run('call_callback'), (63 * 64) / 2)
})

test('constants are set before loading, variables are read and set while programs run', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('globals'), { constants: { limit: 5, addresses: [7n, 9n] } })
  const count = (): number => object.program('count').test({ data: packet(20) }).returned
  assert.equal(count(), 40 + 5 + 1)
  const start = object.global<number>('start')
  assert.equal(start.get(), 40)
  start.set(100)
  assert.equal(count(), 100 + 5 + 2)
  assert.equal(object.global<number>('seen').get(), 2)
  assert.equal(object.global<bigint>('total').get(), 1n + 2n * (9n + 20n))
  const limit = object.global<number>('limit')
  assert.equal(limit.get(), 5)
  assert.throws(() => limit.set(6), { code: 'MESH_EBPF_VALUE' })
  assert.throws(() => start.set(-1), {
    code: 'MESH_EBPF_VALUE',
    message: 'start: value: wants an integer from 0 to 4294967295, not -1',
  })
})

test('a constant that rules nothing out lets the verifier refuse, with program, line and reason', { skip }, t => {
  const bpf = openTestBpf(t)
  assert.throws(
    () => loadObject(bpf, readTestObject('globals'), { constants: { is_broken: true } }),
    (error: unknown) => {
      assert.ok(error instanceof MeshError)
      assert.equal(error.code, 'MESH_EBPF_REFUSED')
      assert.match(
        error.message,
        /^program count: the verifier refuses it at instruction \d+ \(bpf\/tests\/loader\/globals\.bpf\.c:\d+: return \*\(volatile int \*\).*\): R\d+ invalid mem access 'scalar'$/,
      )
      assert.ok((error.hint ?? '').split('\n').length <= 7)
      return true
    },
  )
})

test('a value that may be missing is refused in the words of the verifier', { skip }, t => {
  const bpf = openTestBpf(t)
  assert.throws(
    () => loadObject(bpf, readTestObject('refused')),
    (error: Error) => {
      assert.match(
        error.message,
        /^program without_check: .*refused\.bpf\.c:20: return \*value != 0;\): .*map_value_or_null/,
      )
      assert.ok(error.cause instanceof VerifierRefusal)
      assert.ok(error.cause.log.length <= 40)
      return true
    },
  )
})

test('a name that the object does not have is an error that lists those it has', { skip }, t => {
  const bpf = openTestBpf(t)
  const spec = readTestObject('calls')
  assert.throws(() => loadObject(bpf, spec, { constants: { nothing: 1 } }), {
    code: 'MESH_EBPF_OBJECT',
    message: 'object calls: it has no constant nothing',
    hint: 'it has no constants at all',
  })
  using object = loadObject(bpf, spec, { programs: ({ name }) => name === 'call_static' })
  assert.throws(() => object.program('call_nobody'), {
    code: 'MESH_EBPF_OBJECT',
    message: 'object calls: it has no program call_nobody',
  })
})

test('a program that is left out is loaded when it is asked for', { skip }, t => {
  using object = loadObject(openTestBpf(t), readTestObject('calls'), { programs: ({ name }) => name === 'call_static' })
  assert.deepEqual([...object.programs.keys()], ['call_static'])
  const late = object.program('call_global')
  assert.equal(object.program('call_global'), late)
  assert.deepEqual([...object.programs.keys()], ['call_static', 'call_global'])
})

test('loading takes pinned maps, and says how another version differs', { skip }, t => {
  const bpf = openTestBpf(t)
  const pinFolder = makeBpffs(t, bpf)
  const spec = readTestObject('maps')
  {
    using first = loadObject(bpf, spec, { pinFolder })
    first.map<number, bigint>('shared').set(1, 11n)
  }
  {
    using second = loadObject(bpf, spec, { pinFolder })
    assert.equal(second.map<number, bigint>('shared').get(1), 11n)
  }
  assert.throws(() => loadObject(bpf, spec, { pinFolder, maxEntries: { shared: 16 } }), {
    code: 'MESH_EBPF_MAP_DIFFERS',
    message: `map shared at ${pinFolder}/shared differs: entries: 16, pinned 8`,
  })
})

test('a pinned map of another shape is replaced where told so, once all is loaded, and no other one', { skip }, t => {
  const bpf = openTestBpf(t)
  const pinFolder = makeBpffs(t, bpf)
  const spec = readTestObject('maps')
  const pinned = spec.maps.filter(({ isPinnedByName }) => isPinnedByName).map(({ name }) => name)
  const other = readTestObject('refused')
  assert.deepEqual(pinned, ['shared'])
  {
    using first = loadObject(bpf, spec, { pinFolder })
    first.map<number, bigint>('shared').set(1, 11n)
  }
  const replaced = { pinFolder, maxEntries: { shared: 16 }, replacesDifferent: true }
  // The verifier refuses a program behind the maps: what was pinned stays.
  assert.throws(() => loadObject(bpf, { ...spec, programs: other.programs }, replaced))
  {
    using still = loadObject(bpf, spec, { pinFolder })
    assert.equal(still.map<number, bigint>('shared').get(1), 11n)
  }
  {
    using next = loadObject(bpf, spec, replaced)
    assert.equal(next.map<number, bigint>('shared').get(1), undefined)
    next.map<number, bigint>('shared').set(2, 22n)
  }
  using last = loadObject(bpf, spec, replaced)
  assert.equal(last.map<number, bigint>('shared').get(2), 22n)
})
