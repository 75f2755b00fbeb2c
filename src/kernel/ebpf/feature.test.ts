import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { release } from 'node:os'
import { test } from 'node:test'
import { countCpus } from './bpf.ts'
import { parseMounts } from './bpffs.ts'
import { checkFeatures } from './feature-report.ts'
import { allFeatures, isOlder, supports } from './feature.ts'
import { kernelSkip, openTestBpf } from './testing.ts'

const skip = kernelSkip()

test('versions of kernels are compared by number', () => {
  assert.equal(isOlder('5.8', '5.10'), true)
  assert.equal(isOlder('6.18.44-generic', '6.18'), false)
  assert.equal(isOlder('4.19', '5.2'), true)
  assert.equal(isOlder('6.1', '5.19'), false)
})

test('CPUs are counted without the gaps', () => {
  for (const [list, count] of [
    ['0', 1],
    ['0-3', 4],
    ['0-3,8-11\n', 8],
    ['0,2,4-5', 4],
  ] as const) {
    assert.equal(countCpus(list), count, list)
  }
})

test('mounts are read with blanks in their folders', () => {
  const text = [
    '29 23 0:26 / /sys/fs/bpf rw,nosuid shared:4 - bpf bpf rw,mode=700',
    String.raw`30 23 0:27 / /a\040b rw - cgroup2 none rw`,
    '',
  ].join('\n')
  assert.deepEqual(parseMounts(text), [
    { folder: '/sys/fs/bpf', type: 'bpf' },
    { folder: '/a b', type: 'cgroup2' },
  ])
})

test('a kernel has every feature that is older than it', { skip }, t => {
  const bpf = openTestBpf(t)
  for (const feature of allFeatures()) {
    if (!isOlder(release(), feature.firstKernel)) assert.equal(supports(bpf, feature), true, feature.name)
  }
  assert.deepEqual(bpf.openDescriptors(), [])
})

test('a report tells of everything what it needs, and what to do about what is missing', { skip }, t => {
  const bpf = openTestBpf(t)
  const report = checkFeatures(bpf)
  const hash = report.find(({ name }) => name === 'maps of kind hash')
  assert.deepEqual(hash, {
    name: 'maps of kind hash',
    isAvailable: true,
    firstKernel: '3.19',
    needs: ['CAP_BPF'],
    remedy: undefined,
  })
  for (const { isAvailable, remedy, name } of report) assert.equal(isAvailable === true, remedy === undefined, name)
})

test('without privileges the library says which are missing', { skip }, () => {
  const script = `
    const { Bpf } = await import(${JSON.stringify(new URL('bpf.ts', import.meta.url).href)})
    const { checkFeatures } = await import(${JSON.stringify(new URL('feature-report.ts', import.meta.url).href)})
    const { loadObject } = await import(${JSON.stringify(new URL('loaded-object.ts', import.meta.url).href)})
    const { readTestObject } = await import(${JSON.stringify(new URL('testing.ts', import.meta.url).href)})
    using bpf = new Bpf()
    const hash = checkFeatures(bpf).find(({ name }) => name === 'maps of kind hash')
    let failure
    try { loadObject(bpf, readTestObject('maps')) } catch (error) { failure = error }
    console.log(JSON.stringify({ ...hash, code: failure.code, message: failure.message, hint: failure.hint }))`
  const { stdout, stderr } = spawnSync(
    'setpriv',
    [
      '--bounding-set=-all',
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
  const told = JSON.parse(stdout)
  assert.equal(told.isAvailable, undefined)
  const lacks =
    /^this process lacks CAP_BPF: run it as root, or give it AmbientCapabilities=CAP_BPF in its systemd unit$/
  assert.match(told.remedy, lacks)
  assert.equal(told.code, 'MESH_KERNEL_SYSCALL')
  assert.equal(told.message, 'bpf(BTF_LOAD): EPERM (types of object maps)')
  assert.match(told.hint, lacks)
})
