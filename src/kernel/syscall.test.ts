import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { callFailed, errnoName, NativeCalls, probeNative, SystemCallFailure } from './syscall.ts'

const url = new URL('syscall.ts', import.meta.url).href

test('probeNative() calls into the C library', () => {
  assert.deepEqual(probeNative(), { isAvailable: true })
})

test('probeNative() says why not when Node runs without FFI', () => {
  const script = `const { probeNative } = await import('${url}'); console.log(JSON.stringify(probeNative()))`
  const args = ['--no-experimental-ffi', '--input-type=module', '-e', script]
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env: {} })
  assert.deepEqual(JSON.parse(stdout), { isAvailable: false, reason: 'this Node runs without FFI' })
})

test('nobody reads that FFI is experimental, on no thread, but other warnings', () => {
  const script = `
    const { Worker } = await import('node:worker_threads')
    const probe = "import('${url}').then(({ probeNative }) => { if (!probeNative().isAvailable) process.exit(1) })"
    const worker = new Worker(probe, { eval: true })
    const { probeNative } = await import('${url}')
    if (!probeNative().isAvailable) process.exit(1)
    worker.once('exit', code => { process.exitCode = code; process.emitWarning('of another kind') })`
  const args = ['--input-type=module', '-e', script]
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env: {} })
  assert.equal(status, 0)
  assert.match(stderr, /Warning: of another kind/)
  assert.doesNotMatch(stderr, /FFI/)
})

test('a call that fails tells its name, errno and object', () => {
  using native = new NativeCalls({ close: { return: 'int32', arguments: ['int32'] } })
  assert.equal(native.call.close(-1), -1)
  assert.equal(native.errno, 9)
  const error = native.failure('close', 'socket of a test')
  assert.equal(error.code, 'MESH_KERNEL_SYSCALL')
  assert.equal(error.message, 'close: EBADF (socket of a test)')
  assert.ok(error.cause instanceof SystemCallFailure)
  assert.equal(error.cause.code, 'EBADF')
})

test('a function that does not exist is refused when it is declared', () => {
  assert.throws(() => new NativeCalls({ no_such_function: { return: 'int32', arguments: [] } }), {
    code: 'MESH_KERNEL_UNSUPPORTED',
  })
})

test('memory is reached by its address', () => {
  using native = new NativeCalls({
    getrandom: { return: 'int32', arguments: ['pointer', 'uint32', 'uint32'] },
  })
  const bytes = Buffer.alloc(64)
  const pointer = native.pointerTo(bytes)
  assert.equal(native.call.getrandom(pointer, 64, 0), 64)
  assert.notDeepEqual(bytes, Buffer.alloc(64))
  assert.deepEqual(native.viewAt(pointer + 32n, 32), bytes.subarray(32))
})

test('a worker thread has its own calls and its own errno', async () => {
  const script = `
    const { parentPort } = await import('node:worker_threads')
    const { NativeCalls, probeNative } = await import('${url}')
    const native = new NativeCalls({ close: { return: 'int32', arguments: ['int32'] } })
    native.call.close(-1)
    const { errno } = native
    parentPort.postMessage([probeNative().isAvailable, errno, native.eventLoop() !== 0n])`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`))
  const answer = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  assert.deepEqual(answer, [true, 9, true])
  await worker.terminate()
})

test('errors have the names of the system', () => {
  const cases: readonly (readonly [number, string])[] = [
    [11, 'EAGAIN'],
    [95, 'EOPNOTSUPP'],
    [104, 'ECONNRESET'],
    [111, 'ECONNREFUSED'],
    [999, 'errno 999'],
  ]
  for (const [errno, name] of cases) assert.equal(errnoName(errno), name)
  assert.equal(callFailed('bpf', 1).message, 'bpf: EPERM')
})
