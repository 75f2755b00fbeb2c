import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { probeNative } from '../syscall.ts'
import { Bpf } from './bpf.ts'
import { findCgroup2 } from './bpffs.ts'
import { missingCapabilities, permissionHint } from './capabilities.ts'
import { readObject } from './object-spec.ts'
import type { ObjectSpec } from './object-spec.ts'

const wanted = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON', 'CAP_SYS_ADMIN'] as const

/**
 * For `test(name, { skip: kernelSkip() }, …)`: why this process cannot load programs; false when it can.
 * @throws when HEDDLE_TEST_REQUIRE names `kernel` and it cannot
 */
export function kernelSkip(): string | false {
  const reason = whyNot()
  if (reason !== false && (process.env['HEDDLE_TEST_REQUIRE'] ?? '').includes('kernel')) throw new Error(reason)
  return reason
}

function whyNot(): string | false {
  const native = probeNative()
  if (!native.isAvailable) return native.reason
  if (missingCapabilities(wanted).length > 0) return permissionHint(wanted)
  // A user namespace has all capabilities, and none counts.
  using bpf = new Bpf()
  const hash = bpf.attr(0).u32(0, 1).u32(4, 4).u32(8, 4).u32(12, 1)
  const answer = bpf.try(0, hash)
  if (answer < 0) return permissionHint(wanted)
  bpf.own(answer, 'probe')[Symbol.dispose]()
  return false
}

/** Closed at the end of the test, which fails when something else was left open. */
export function openTestBpf(t: TestContext): Bpf {
  const bpf = new Bpf({ traceOpens: true })
  t.after(() => {
    const left = bpf.openDescriptors()
    bpf[Symbol.dispose]()
    assert.deepEqual(
      left.map(({ stack }) => stack),
      [],
      'descriptors left open',
    )
  })
  return bpf
}

/** One of bpf/tests/loader. */
export function readTestObject(name: string): ObjectSpec {
  const path = new URL(`../../../bpf/tests/loader/${name}.bpf.o`, import.meta.url)
  return readObject(readFileSync(path), { name })
}

/** A new cgroup below the root of version 2, removed at the end. */
export function makeCgroup(t: TestContext): string {
  const root = findCgroup2()
  assert.ok(root !== undefined, 'cgroups of version 2 are mounted')
  const folder = join(root, `heddle-test-${process.pid}-${Math.random().toString(36).slice(2, 8)}`)
  mkdirSync(folder)
  t.after(() => rmdirSync(folder))
  return folder
}

/** A bpffs of the test's own. */
export function makeBpffs(t: TestContext, bpf: Bpf): string {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-bpffs-'))
  bpf.mountBpffs(folder)
  t.after(() => {
    using later = new Bpf()
    later.unmount(folder)
    rmSync(folder, { recursive: true })
  })
  return folder
}
