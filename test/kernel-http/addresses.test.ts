import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { MemberMesh } from '../datapath/member-mesh.ts'
import { datapathSkip } from '../datapath/world.ts'
import { addressOf, begin, Client, statusOf, untilCarried } from './carried.ts'

const skip = datapathSkip('python3')

/** Not of loopback's network; documentation's (RFC 5737, RFC 3849), so that nobody else has them. */
const extra = { 4: '192.0.2.77', 6: '2001:db8::77' } as const

/** On the loopback device: it is the node's own, as that of any other device. */
function addAddress(t: TestContext, family: 4 | 6): string {
  const address = extra[family]
  const change = (what: 'add' | 'del'): void => {
    const rest = family === 6 && what === 'add' ? ['nodad'] : []
    execFileSync('ip', [`-${family}`, 'address', what, `${address}/${family === 4 ? 32 : 128}`, 'dev', 'lo', ...rest])
  }
  change('add')
  t.after(() => change('del'))
  return address
}

async function virtualAddress(each: MemberMesh): Promise<string> {
  const { services } = await each.mesh.status()
  const found = services.find(({ key }) => key === 'shop/web:9080')?.virtualAddresses.find(each => each.includes(':'))
  return found?.replace(/^\[|\](:\d+)?$/g, '') ?? ''
}

async function expectCarried(each: MemberMesh, host: string): Promise<void> {
  const before = (await statusOf(each)).served
  await using client = new Client(each, host)
  for (const path of ['/a', '/b', '/c']) assert.match(String(await client.say(path)), /^200 web-0 /)
  assert.equal((await statusOf(each)).served - before, 3)
  assert.equal((await each.mesh.run('kernel-http', 'off')).code, 0)
  assert.match(String(await client.say('/d')), /^200 web-0 /, 'the same connection goes on in user space')
}

for (const family of [4, 6] as const) {
  const what = `a client that asks by IPv${family} reaches an endpoint at another address of the node than loopback`
  test(`${what}, in the kernel`, { skip, timeout: 180_000 }, async t => {
    const address = addAddress(t, family)
    await using each = await begin(t, { address }, '--kernel-http', 'auto')
    await untilCarried(each)
    const host = family === 4 ? await addressOf(each) : await virtualAddress(each)
    assert.equal(host.includes(':'), family === 6)
    await expectCarried(each, host)
  })
}
