import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordTypes, type DnsData } from '../codec/index.ts'
import { Directory, type Found } from './directory.ts'
import { addressOfReverseName, VirtualRanges } from './reverse.ts'
import { backend, endpoint, sampleView } from './testing.ts'

/** Somebody of the mesh, in a namespace. */
const inMesh = (namespace: string) => ({ namespace, carriesIpv6: true })

function directoryOf(): Directory {
  const directory = new Directory('127.77.0.0/16')
  directory.update(sampleView())
  return directory
}

function dataText(data: DnsData): string {
  switch (data.kind) {
    case 'A':
    case 'AAAA':
      return data.address
    case 'SRV':
      return `${data.priority} ${data.weight} ${data.port} ${data.target}`
    case 'PTR':
    case 'CNAME':
    case 'NS':
      return data.target
    case 'opaque':
      return Buffer.from(data.bytes).toString()
    case 'SOA':
      return 'SOA'
  }
}

/** `127.77.1.2`, `no-data cluster.local`, `elsewhere`, `alias db.example.com` */
function brief(found: Found): string {
  switch (found.kind) {
    case 'records':
      return found.answers.map(({ data }) => dataText(data)).join(' | ')
    case 'no-data':
    case 'no-name':
      return `${found.kind} ${found.zone ?? 'itself'}`
    case 'alias':
      return `alias ${found.target}`
    case 'elsewhere':
      return found.kind
  }
}

type TypeName = keyof typeof recordTypes

const cases: readonly (readonly [name: string, type: TypeName, namespace: string, expected: string])[] = [
  // The four forms of a Service.
  ['reviews', 'A', 'default', '127.77.1.2'],
  ['reviews.default', 'A', 'default', '127.77.1.2'],
  ['reviews.default.svc', 'A', 'default', '127.77.1.2'],
  ['reviews.default.svc.cluster.local', 'A', 'default', '127.77.1.2'],
  ['Reviews.DEFAULT.svc.Cluster.Local', 'A', 'default', '127.77.1.2'],
  ['reviews', 'AAAA', 'default', 'fd68:6564:646c::7f4d:102'],
  ['reviews', 'ANY', 'default', '127.77.1.2 | fd68:6564:646c::7f4d:102'],
  // Short names are those of the caller's namespace.
  ['cart', 'A', 'shop', '127.77.1.3'],
  ['cart', 'A', 'default', 'elsewhere'],
  ['cart.shop', 'A', 'default', '127.77.1.3'],
  ['reviews', 'A', 'shop', 'elsewhere'],
  ['reviews.default', 'A', 'shop', '127.77.1.2'],
  // There, but nothing of the type.
  ['reviews', 'TXT', 'default', 'no-data itself'],
  ['reviews.default.svc', 'TXT', 'default', 'no-data svc'],
  ['reviews.default.svc.cluster.local', 'MX' as TypeName, 'default', 'no-data cluster.local'],
  ['default.svc.cluster.local', 'A', 'default', 'no-data cluster.local'],
  ['svc.cluster.local', 'A', 'default', 'no-data cluster.local'],
  ['cluster.local', 'A', 'default', 'no-data cluster.local'],
  ['svc', 'A', 'default', 'no-data svc'],
  ['shop.svc', 'A', 'default', 'no-data svc'],
  ['dns-version.cluster.local', 'A', 'default', 'no-data cluster.local'],
  // Not there.
  ['nobody.default.svc.cluster.local', 'A', 'default', 'no-name cluster.local'],
  ['reviews.nowhere.svc.cluster.local', 'A', 'default', 'no-name cluster.local'],
  ['reviews.nowhere.svc', 'A', 'default', 'no-name svc'],
  ['other.cluster.local', 'A', 'default', 'no-name cluster.local'],
  ['a.reviews.default.svc.cluster.local', 'A', 'default', 'no-name cluster.local'],
  ['_http._udp.reviews.default.svc.cluster.local', 'SRV', 'default', 'no-name cluster.local'],
  ['_x._tcp.reviews.default.svc.cluster.local', 'SRV', 'default', 'no-name cluster.local'],
  ['a._http._tcp.reviews.default.svc.cluster.local', 'SRV', 'default', 'no-name cluster.local'],
  ['db-9.db.shop.svc.cluster.local', 'A', 'default', 'no-name cluster.local'],
  ['db-0.far.shop.svc.cluster.local', 'A', 'default', 'no-name cluster.local'],
  ['a\\.b.shop.svc.cluster.local', 'A', 'default', 'no-name cluster.local'],
  // Names of elsewhere.
  ['', 'NS', 'default', 'elsewhere'],
  ['nobody', 'A', 'default', 'elsewhere'],
  ['www.example.com', 'A', 'default', 'elsewhere'],
  ['xcluster.local', 'A', 'default', 'elsewhere'],
  ['reviewsXdefault', 'A', 'default', 'elsewhere'],
  // Ports.
  ['_http._tcp.reviews', 'SRV', 'default', '0 100 9080 reviews.default.svc.cluster.local'],
  ['_dns._udp.reviews.default.svc', 'SRV', 'default', '0 100 53 reviews.default.svc.cluster.local'],
  ['_http._tcp.reviews', 'A', 'default', 'no-data itself'],
  ['_tcp.reviews.default.svc', 'A', 'default', 'no-data svc'],
  ['_tcp.cart.shop.svc', 'A', 'default', 'no-name svc'],
  ['_pg._tcp.empty.shop.svc', 'SRV', 'default', 'no-data svc'],
  // Headless Services.
  ['db.shop', 'AAAA', 'default', 'fd00::3'],
  ['db-0.db.shop', 'A', 'default', '10.0.0.1'],
  ['db-0.db', 'A', 'shop', '10.0.0.1'],
  ['10-0-0-2.db.shop.svc.cluster.local', 'A', 'default', '10.0.0.2'],
  ['fd00--3.db.shop.svc.cluster.local', 'AAAA', 'default', 'fd00::3'],
  ['10-0-0-4.db.shop.svc.cluster.local', 'A', 'default', 'no-name cluster.local'],
  ['empty.shop.svc.cluster.local', 'A', 'default', 'no-data cluster.local'],
  // Others.
  ['far.shop', 'A', 'default', 'alias db.example.com'],
  ['dns-version.cluster.local', 'TXT', 'default', '\u00051.1.0'],
  // Addresses.
  ['2.1.77.127.in-addr.arpa', 'PTR', 'default', 'reviews.default.svc.cluster.local'],
  ['2.1.77.127.in-addr.arpa', 'A', 'default', 'no-data itself'],
  ['9.9.77.127.in-addr.arpa', 'PTR', 'default', 'no-name 77.127.in-addr.arpa'],
  ['1.0.0.127.in-addr.arpa', 'PTR', 'default', 'elsewhere'],
  ['77.127.in-addr.arpa', 'PTR', 'default', 'elsewhere'],
]

for (const [name, type, namespace, expected] of cases) {
  test(`${name || 'the root'} ${type} asked from ${namespace} is ${expected}`, () => {
    const question = { name, type: recordTypes[type] ?? 15, class: 1 }
    assert.equal(brief(directoryOf().find(question, inMesh(namespace))), expected)
  })
}

test('addresses of a headless Service rotate, and those that are not ready are left out', () => {
  const directory = directoryOf()
  const question = { name: 'db.shop', type: recordTypes.A, class: 1 }
  const answers = Array.from({ length: 3 }, () => brief(directory.find(question, inMesh('default'))))
  assert.deepEqual(answers, ['10.0.0.1 | 10.0.0.2', '10.0.0.2 | 10.0.0.1', '10.0.0.1 | 10.0.0.2'])
})

test('ports of a headless Service lead to its endpoints, with their addresses at hand', () => {
  const found = directoryOf().find({ name: '_pg._tcp.db.shop', type: recordTypes.SRV, class: 1 }, inMesh('default'))
  assert.equal(
    brief(found),
    '0 100 5432 db-0.db.shop.svc.cluster.local | 0 100 5433 10-0-0-2.db.shop.svc.cluster.local | 0 100 5432 fd00--3.db.shop.svc.cluster.local',
  )
  const additionals = found.kind === 'records' ? found.additionals.map(({ name, data }) => [name, dataText(data)]) : []
  assert.deepEqual(additionals, [
    ['db-0.db.shop.svc.cluster.local', '10.0.0.1'],
    ['10-0-0-2.db.shop.svc.cluster.local', '10.0.0.2'],
    ['fd00--3.db.shop.svc.cluster.local', 'fd00::3'],
  ])
})

test('virtual IPv6 addresses are not told where nothing carries them', () => {
  const directory = directoryOf()
  const asker = { namespace: 'default', carriesIpv6: false }
  assert.equal(brief(directory.find({ name: 'reviews', type: recordTypes.AAAA, class: 1 }, asker)), 'no-data itself')
  assert.equal(brief(directory.find({ name: 'reviews', type: recordTypes.A, class: 1 }, asker)), '127.77.1.2')
})

test('another view is in force at once', () => {
  const directory = directoryOf()
  const view = sampleView()
  const question = { name: 'db.shop', type: recordTypes.A, class: 1 }
  directory.update({ ...view, backends: new Map([['shop/db:5432', backend('', [endpoint('10.9.9.9', 1)])]]) })
  assert.equal(brief(directory.find(question, inMesh('default'))), '10.9.9.9')
  directory.update({ services: [], backends: new Map() })
  assert.equal(brief(directory.find(question, inMesh('default'))), 'elsewhere')
})

test('reverse names are read in full only', () => {
  const digits = 'fd68656464646c0000000000000000001'.slice(0, 32).split('').toReversed().join('.')
  assert.equal(addressOfReverseName(`${digits}.ip6.arpa`), 'fd68:6564:6464:6c00::')
  for (const name of ['1.2.3.in-addr.arpa', '1.2.3.256.in-addr.arpa', '01.2.3.4.in-addr.arpa', 'a.ip6.arpa', 'arpa']) {
    assert.equal(addressOfReverseName(name), undefined, name)
  }
})

test('zones of virtual networks end at a byte or half byte', () => {
  const rows: [string, string, string | undefined][] = [
    ['127.77.0.0/16', '127.77.3.4', '77.127.in-addr.arpa'],
    ['127.77.0.0/16', '127.78.3.4', undefined],
    ['127.77.8.0/21', '127.77.15.1', '77.127.in-addr.arpa'],
    ['127.77.8.0/21', '127.77.16.1', undefined],
    ['127.0.0.0/8', '127.77.16.1', '127.in-addr.arpa'],
    ['127.77.0.0/16', 'fd68:6564:646c::1', 'c.6.4.6.4.6.5.6.8.6.d.f.ip6.arpa'],
    ['127.77.0.0/16', 'fd68:6564:646d::1', undefined],
  ]
  for (const [cidr, address, zone] of rows) assert.equal(new VirtualRanges(cidr).zoneOf(address), zone, address)
})
