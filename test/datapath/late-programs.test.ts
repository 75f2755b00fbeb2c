import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeBpffs } from '../../src/kernel/ebpf/testing.ts'
import { Bpf, unpin } from '../../src/kernel/index.ts'
import { datapathSkip, serve, World } from './world.ts'

const skip = datapathSkip()
const service = { name: 'db', addresses: ['127.99.0.1'], port: 80 }

test(
  'programs of an agent before go on with what they know until those of the next one are loaded, all of them',
  { skip, timeout: 120_000 },
  async t => {
    using bpf = new Bpf()
    const world = new World(t, { pinFolder: makeBpffs(t, bpf) })
    const [first, second] = [await serve(t, 'first'), await serve(t, 'second')]
    const asked = async (): Promise<string> =>
      (await world.run(['curl', '-sS', '-m', '20', 'http://127.99.0.1/'])).output.trim()
    world.update([{ ...service, endpoints: [first] }])
    assert.equal(world.datapath.isLoaded, true, 'nobody was there before')
    assert.equal(await asked(), 'first')
    using _before = world.openNext()
    world.update([{ ...service, endpoints: [second] }])
    let loads = 0
    while (!world.datapath.isLoaded) {
      world.datapath.loadNext()
      loads++
      assert.equal(await asked(), 'first', `when ${loads} are loaded`)
    }
    assert.equal(loads, 13)
    world.datapath.attach()
    assert.equal(await asked(), 'second')
  },
)

test('where not every program of an agent before is at work, those of the next one are loaded at once', { skip }, t => {
  using bpf = new Bpf()
  const pinFolder = makeBpffs(t, bpf)
  const world = new World(t, { pinFolder })
  unpin([`${pinFolder}/hd_connect4`])
  using _before = world.openNext()
  assert.equal(world.datapath.isLoaded, true)
  world.update([])
  world.datapath.attach()
})
