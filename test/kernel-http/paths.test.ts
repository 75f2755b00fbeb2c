import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KernelPath, KernelPermission } from '../../src/kernel-http/index.ts'
import { pathHash } from '../../src/kernel-http/table.ts'
import { parseAnswer, RawClient } from '../support/raw.ts'
import { until } from '../support/until.ts'
import { Backend } from './backend.ts'
import { inCgroup } from './in-cgroup.ts'
import { World } from './world.ts'

let backend: Backend
let world: World

const skip = inCgroup(async (cgroup, stack) => {
  backend = stack.use(await Backend.open())
  world = stack.use(await World.open(cgroup, { backendPort: backend.port }))
})

/** Its answers are counted under its own number. */
function path(kind: KernelPath['kind'], value: string, number: number): KernelPath {
  return {
    kind,
    value,
    rules: [{ fields: [], action: { kind: 'pools', targets: [{ pool: 1, weight: 1, count: number }] }, number }],
  }
}

const numbers = [11, 12, 13, 14]

function counted(): readonly bigint[] {
  return numbers.map(number => world.kernel.countedRequests(number))
}

/** @returns the number of the path that answered it; undefined when the proxy did */
async function whoAnswers(target: string, method = 'GET', fields = ''): Promise<number | undefined> {
  const earlier = counted()
  await using client = await RawClient.open(world.port)
  client.write(`${method} ${target} HTTP/1.1\r\nHost: shop\r\n${fields}\r\n`)
  await until(() => parseAnswer(client.received) !== undefined)
  assert.equal(parseAnswer(client.received)?.status, 200)
  return numbers[counted().findIndex((count, at) => count > (earlier[at] ?? 0n))]
}

const deepest = '/d'.repeat(30)

test('the longest path of segments that fits takes the request, exact ones first', { skip }, async () => {
  world.update({
    paths: [path('prefix', '', 11), path('prefix', '/a', 12), path('exact', '/a/b', 13), path('prefix', deepest, 14)],
  })
  const targets: readonly (readonly [target: string, number: number | undefined])[] = [
    ['/', 11],
    ['/a', 12],
    ['/a/', 12],
    ['/a?q=/a/b', 12],
    ['/a/b', 13],
    ['/a/b/', 12],
    ['/a/b/c', 12],
    ['/ab', 11],
    ['/b/a', 11],
    [deepest.slice(2), 11],
    [deepest, 14],
    [`${deepest}/`, 14],
    [`${deepest}/d`, undefined],
    [`/${'x'.repeat(239)}`, 11],
    [`/${'x'.repeat(240)}`, undefined],
  ]
  for (const [target, number] of targets) assert.equal(await whoAnswers(target), number, target)
})

test(
  'bytes that are read at once are those that are read one by one, wherever a segment or a path ends',
  { skip },
  async () => {
    const letters = 'abcdefghijklmnopqrstuvwxyz'
    const exact = Array.from({ length: 20 }, (_, length) => `/${letters.slice(0, length + 1)}`)
    const prefixes = Array.from({ length: 20 }, (_, length) => `/-${letters.slice(0, length)}`)
    world.update({
      paths: [
        path('prefix', '', 11),
        ...prefixes.map(prefix => path('prefix', prefix, 12)),
        ...exact.map(each => path('exact', each, 13)),
      ],
    })
    for (const each of exact) {
      assert.deepEqual([each, await whoAnswers(each), await whoAnswers(`${each}?q=1`)], [each, 13, 13])
      assert.deepEqual([each, await whoAnswers(`${each}/`), await whoAnswers(`${each}Z`)], [each, 11, 11])
      // What has to be made normal is the proxy's, after as many bytes as there may be.
      assert.deepEqual(
        [each, await whoAnswers(`${each}%41`), await whoAnswers(`${each}//b`)],
        [each, undefined, undefined],
      )
      assert.deepEqual([each, await whoAnswers(`${each}/./b`)], [each, undefined])
    }
    for (const each of prefixes) {
      assert.deepEqual([each, await whoAnswers(each), await whoAnswers(`${each}/b`)], [each, 12, 12])
      assert.deepEqual([each, await whoAnswers(`${each}/${letters}`), await whoAnswers(`${each}.b`)], [each, 12, 11])
    }
    for (const bytes of [238, 239]) assert.equal(await whoAnswers(`/${'x'.repeat(bytes)}`), 11)
  },
)

test('a path whose hash leads to the entry of another one is the proxy’s', { skip }, async () => {
  world.update({ paths: [path('prefix', '/a', 12), path('prefix', '/abcdefghij', 13), path('exact', '/c', 14)] })
  const entries = [...world.kernel.map('kh_paths').entries()]
  const own = entries.find(([{ hash }]) => hash === pathHash({ kind: 'prefix', value: '/a' }).hash)
  const [key, value] = own ?? assert.fail('the path has no entry')
  // As if they had the hash of `/a`: of one segment as well, since that number is a part of the key.
  for (const forged of ['/b', '/ab', '/abcdefghik']) {
    world.kernel.map('kh_paths').set({ ...key, ...pathHash({ kind: 'prefix', value: forged }) }, value)
  }
  world.kernel.map('kh_paths').set({ ...key, ...pathHash({ kind: 'exact', value: '/a/y' }) }, value)
  world.kernel.map('kh_tables').set(1, { ...(world.kernel.map('kh_tables').get(1) ?? assert.fail()), depths: ~0 >>> 0 })
  for (const target of ['/b', '/b/x', '/ab', '/ab/x', '/abcdefghik', '/a/y']) {
    assert.equal(await whoAnswers(target), undefined, target)
  }
  assert.equal(await whoAnswers('/a'), 12)
  assert.equal(await whoAnswers('/abcdefghij'), 13)
})

test(
  'a rule that asks for parameters of the query gets requests that have them, and what is odd is the proxy’s',
  { skip },
  async () => {
    const rule = (fields: Record<string, string>, number: number): KernelPath['rules'][number] => ({
      fields: Object.entries(fields).map(([name, value]) => ({ name, value })),
      action: { kind: 'pools', targets: [{ pool: 1, weight: 1, count: number }] },
      number,
    })
    const longest = 'n'.repeat(31)
    const value = 'v'.repeat(64)
    world.update({
      paths: [
        {
          kind: 'prefix',
          value: '',
          rules: [
            rule({ ' a': '1', ' b': '2' }, 12),
            rule({ ' a': '1' }, 13),
            rule({ [` ${longest}`]: value }, 14),
            rule({}, 11),
          ],
        },
      ],
    })
    const targets: readonly (readonly [target: string, number: number | undefined])[] = [
      ['/', 11],
      ['/?', 11],
      ['/?a', 11],
      ['/?a=', 11],
      ['/?a=1', 13],
      ['/?&a=1&', 13],
      ['/?x=1&a=1', 13],
      ['/?a=1&b=2', 12],
      ['/?b=2&&x&a=1', 12],
      ['/?a=1&b=2&c=3', 12],
      ['/?A=1', 11],
      ['/?aa=1', 11],
      ['/?a=11', 11],
      ['/?a==1', 11],
      ['/?=1', 11],
      ['/?b=2', 11],
      ['/?1=a', 11],
      ['/?a/1', 11],
      // The first counts, which is not for programs to say.
      ['/?a=2&a=1', undefined],
      ['/?a=1&a=1', undefined],
      ['/?a&a=1', undefined],
      ['/?x=1&x=1', 11],
      // May be another way to write what a rule asks for.
      ['/?%61=1', undefined],
      ['/?a=%31', undefined],
      ['/?a=1&x=a+b', undefined],
      [`/?${longest}=${value}`, 14],
      [`/?${longest}n=${value}`, 11],
      [`/?${longest}=${value}v`, 11],
      [`/?x=${'y'.repeat(3000)}&a=1`, 13],
    ]
    for (const [target, number] of targets) assert.equal(await whoAnswers(target), number, target)
  },
)

test('a field of the head is no parameter of the query, whatever its name', { skip }, async () => {
  const fields = [{ name: ' a', value: '1' }]
  const [only = assert.fail()] = path('prefix', '', 11).rules
  world.update({ paths: [{ kind: 'prefix', value: '', rules: [{ ...only, fields }] }] })
  assert.equal(await whoAnswers('/?a=2', 'GET', 'a: 1\r\n'), undefined)
  assert.equal(await whoAnswers('/?a=1'), 11)
})

test('what nobody may do is the proxy’s to refuse', { skip }, async () => {
  const asked = async (permissions: readonly KernelPermission[], method?: string): Promise<number | undefined> => {
    world.update({ paths: [path('prefix', '', 11)], permissions })
    return await whoAnswers('/', method)
  }
  assert.equal(await asked([]), undefined)
  assert.equal(await asked([{ caller: 0n, number: 11 }]), 11)
  assert.equal(await asked([{ caller: 0n, number: 12 }]), undefined)
  assert.equal(await asked([{ caller: 0n, number: 11, methods: ['OPTIONS'] }]), undefined)
  assert.equal(await asked([{ caller: 0n, number: 11, methods: ['OPTIONS'] }], 'OPTIONS'), 11)
  assert.equal(await asked([{ caller: 12_345n, number: 11 }]), undefined)
})
