import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ManualClock } from '../core/index.ts'
import { parseResolverConfig, SystemResolvers } from './resolver-config.ts'

test('parseResolverConfig() takes three servers at most, and the machine itself for none', () => {
  const rows: [string, string[]][] = [
    ['', ['127.0.0.1']],
    ['nameserver 10.0.0.1\nnameserver fd00::53\n', ['10.0.0.1', 'fd00::53']],
    ['search a.b\nnameserver\t10.0.0.1 # ours\noptions ndots:5\n', ['10.0.0.1']],
    ['#nameserver 10.0.0.1\n;nameserver 10.0.0.2\n nameserver 10.0.0.3\n', ['127.0.0.1']],
    ['nameserver dns.example\nnameserver 10.0.0.300\nnameserver fe80::1%lo\n', ['fe80::1%lo']],
    [
      'nameserver 1.1.1.1\r\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4',
      ['1.1.1.1', '2.2.2.2', '3.3.3.3'],
    ],
  ]
  for (const [text, servers] of rows) {
    assert.deepEqual(
      parseResolverConfig(text),
      servers.map(address => ({ address, port: 53 })),
      text,
    )
  }
})

test('SystemResolvers sees a file that is replaced within a second, and keeps what it had while it is away', t => {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-names-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'resolv.conf')
  const clock = new ManualClock()
  const resolvers = new SystemResolvers(path, clock)
  const addresses = (): string[] => resolvers.servers.map(({ address }) => address)
  assert.deepEqual(addresses(), ['127.0.0.1'])
  writeFileSync(path, 'nameserver 10.0.0.1\n')
  clock.advance(1_000)
  assert.deepEqual(addresses(), ['10.0.0.1'])
  writeFileSync(`${path}~`, 'nameserver 10.0.0.2\n')
  renameSync(`${path}~`, path)
  clock.advance(999)
  assert.deepEqual(addresses(), ['10.0.0.1'])
  clock.advance(1)
  assert.deepEqual(addresses(), ['10.0.0.2'])
  rmSync(path)
  clock.advance(1_000)
  assert.deepEqual(addresses(), ['10.0.0.2'])
})
