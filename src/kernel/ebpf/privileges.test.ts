import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { findBpffs, openPinFolder } from './bpffs.ts'
import { isBpffs } from './pin.ts'
import { kernelSkip, makeBpffs, makeCgroup, openTestBpf } from './testing.ts'

const skip = kernelSkip()
const library = JSON.stringify(new URL('index.ts', import.meta.url).href)
const testing = JSON.stringify(new URL('testing.ts', import.meta.url).href)

test('CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are enough to load, attach, pin and read', { skip }, t => {
  const cgroup = makeCgroup(t)
  const bpf = openTestBpf(t)
  const folder = makeBpffs(t, bpf)
  const script = `
    const { attachToCgroup, attachToSockets, Bpf, checkFeatures, loadObject, openLink } = await import(${library})
    const { readTestObject } = await import(${testing})
    const [cgroup, folder] = ${JSON.stringify([cgroup, folder])}
    using bpf = new Bpf()
    for (const file of ['hooks', 'maps', 'jumps', 'events', 'types']) {
      const programs = ({ section, name }) => !section.startsWith('f') && name !== 'ask_in_vain'
      using object = loadObject(bpf, readTestObject(file), { pinFolder: folder, programs })
      if (file !== 'hooks') continue
      using sockets = attachToSockets(bpf, object.program('on_sk_msg'), object.map('sockets').raw)
      using link = attachToCgroup(bpf, object.program('on_connect4'), cgroup)
      link.pin(folder + '/link')
      link.update(object.program('on_connect4'))
    }
    using link = openLink(bpf, folder + '/link')
    const missing = checkFeatures(bpf).filter(({ isAvailable }) => !isAvailable).map(({ name, remedy }) => name + ': ' + remedy)
    console.log(JSON.stringify({ link: link.info().id > 0, missing }))`
  const capabilities = ['bpf', 'net_admin', 'perfmon'].map(name => `+${name}`).join()
  const { stdout, stderr } = spawnSync(
    'setpriv',
    [
      `--bounding-set=-all,${capabilities}`,
      '--inh-caps=-all',
      process.execPath,
      '--experimental-ffi',
      '--input-type=module',
      '-e',
      script,
    ],
    { encoding: 'utf8' },
  )
  assert.notEqual(stdout, '', stderr)
  const told = JSON.parse(stdout) as { link: boolean; missing: readonly string[] }
  assert.equal(told.link, true)
  assert.deepEqual(
    told.missing.filter(line => !line.startsWith('bpffs')),
    [
      'run time statistics by descriptor: this process lacks CAP_SYS_ADMIN: run it as root, or give it AmbientCapabilities=CAP_SYS_ADMIN in its systemd unit',
    ],
  )
})

test('a folder for pins is mounted once, and is a bpffs then', { skip }, t => {
  const bpf = openTestBpf(t)
  const parent = mkdtempSync(join(tmpdir(), 'heddle-bpffs-'))
  t.after(() => rmSync(parent, { recursive: true }))
  const folder = join(parent, 'with a blank')
  assert.equal(openPinFolder(bpf, folder), true)
  try {
    assert.equal(openPinFolder(bpf, folder), false)
    assert.equal(openPinFolder(bpf, join(folder, 'below')), false)
    assert.ok(isBpffs(folder))
    assert.ok(findBpffs() !== undefined)
  } finally {
    bpf.unmount(folder)
  }
  assert.equal(isBpffs(folder), false)
  assert.throws(() => bpf.unmount(folder), { message: /umount2: EINVAL/ })
})

test('a thread that ends while it watches a ring buffer takes nobody with it', { skip }, async () => {
  const script = `
    const { parentPort } = require('node:worker_threads')
    const open = async () => {
      const { Bpf, loadObject, RingBuffer } = await import(${library})
      const { readTestObject } = await import(${testing})
      const bpf = new Bpf()
      const object = loadObject(bpf, readTestObject('events'))
      const ring = new RingBuffer(bpf, object.map('events').raw, { onRecord: () => parentPort.postMessage('record') })
      ring.watch()
      object.program('send').test({ data: Buffer.alloc(64) })
    }
    open()`
  const worker = new Worker(script, { eval: true })
  const message = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  assert.equal(message, 'record')
  assert.equal(await worker.terminate(), 1)
})
