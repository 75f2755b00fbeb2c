import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tierPlaces } from '../../src/datapath/index.ts'
import { readElf } from '../../src/kernel/ebpf/elf.ts'
import { Bpf, listPins, openLink } from '../../src/kernel/index.ts'
import { member } from './member-mesh.ts'
import { twoServices, urlOf } from './two-services.ts'
import { datapathSkip } from './world.ts'

const skip = datapathSkip()
const objectFile = new URL('../../bpf/datapath/sockets.bpf.o', import.meta.url)

/** `exit`, before there is anything to return. */
const refusedByVerifier = Uint8Array.of(0x95, 0, 0, 0, 0, 0, 0, 0)

/**
 * Environment of an agent of a version one of whose programs this kernel refuses: of the last that is loaded, so that all
 * others have been by then.
 */
function refusedVersion(folder: string): Readonly<Record<string, string>> {
  const object = readFileSync(objectFile)
  const section = readElf(object).sections.find(({ name }) => name === 'sockops')
  assert.ok(section !== undefined)
  section.bytes.set(refusedByVerifier)
  const [broken, preload] = [join(folder, 'refused.bpf.o'), join(folder, 'refused.mjs')]
  writeFileSync(broken, object)
  writeFileSync(
    preload,
    `import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const read = fs.readFileSync
fs.readFileSync = (path, ...rest) => read(String(path).endsWith('/sockets.bpf.o') ? ${JSON.stringify(broken)} : path, ...rest)
syncBuiltinESMExports()`,
  )
  return { NODE_OPTIONS: `--import=${preload}` }
}

test(
  'an agent whose programs the verifier refuses serves who waits, leaves those of the agent before at work, and says that it is NOT up to date',
  { skip, timeout: 240_000 },
  async t => {
    await using each = await twoServices(t)
    await each.up('--dns-address', 'off')
    const urls = { db: await urlOf(each, 'db'), web: await urlOf(each, 'web') }
    const ask = async (workload: string, service: keyof typeof urls): Promise<string> =>
      (await each.run(`shop.${workload}`, ['curl', '-sS', '-m', '60', urls[service]])).output
    using bpf = new Bpf()
    const atWork = (): readonly number[] =>
      listPins(bpf, tierPlaces(each.mesh.socketPath).pins)
        .filter(({ kind }) => kind === 'link')
        .map(({ path }) => {
          using link = openLink(bpf, path)
          return link?.info().programId ?? 0
        })
    const before = atWork()
    assert.ok(before.length > 10)
    const assertAtWork = async (): Promise<void> => {
      assert.equal(await ask('client', 'db'), 'endpoint')
      assert.equal(await ask('client', 'web'), 'hello')
      assert.doesNotMatch(await ask('closed', 'db'), /endpoint/)
      assert.doesNotMatch(await ask('closed', 'web'), /hello/)
      assert.deepEqual(atWork(), before)
    }

    await each.kill('SIGKILL')
    const waiting = Array.from({ length: 20 }, () => ask('client', 'web'))
    const refused = ask('closed', 'web')
    await each.start({ flags: ['--dns-address', 'off'], env: refusedVersion(each.mesh.directory) })
    // The proxy needs no programs of this agent to serve whoever came before it.
    assert.deepEqual(
      await Promise.all(waiting),
      Array.from({ length: 20 }, () => 'hello'),
    )
    assert.doesNotMatch(await refused, /hello/)
    assert.match((await each.mesh.run('status')).stdout, /^tier: kernel \(NOT up to date: .*hd_sockops/m)
    assert.match(each.mesh.output, /ERROR the kernel tier could not be brought up to date .*hd_sockops/)
    await assertAtWork()

    // A change is tried with all programs, and refused again.
    each.mesh.write('other.yaml', member('other'))
    await each.mesh.until(async () => each.mesh.output.split('could not be brought up to date').length > 2)
    assert.match((await each.mesh.run('status')).stdout, /NOT up to date/)
    await assertAtWork()

    await each.kill('SIGTERM')
    await each.up('--dns-address', 'off')
    assert.match((await each.mesh.run('status')).stdout, /^tier: kernel \(programs on/m)
    assert.equal(await ask('other', 'db'), 'endpoint')
    assert.equal(await ask('client', 'web'), 'hello')
    assert.doesNotMatch(await ask('closed', 'db'), /endpoint/)
    assert.ok(atWork().every(id => !before.includes(id)))
  },
)
