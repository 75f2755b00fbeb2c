import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { consoleHeaders, pageScript, renderConsole } from './console-page.ts'
import { FakeElement, openFakePage } from './fake-page.ts'
import type { FakePage } from './fake-page.ts'
import { emptyStatus, largeStatus, shopStatus } from './sample-status.ts'
import type { StatusDocument } from './status-document.ts'

function open(answer: () => StatusDocument): Promise<FakePage> {
  return openFakePage(renderConsole(), pageScript(), () => JSON.stringify(answer()))
}

function texts(page: FakePage, id: string, partName: string): string[] {
  return page
    .byId(id)
    .all()
    .filter(element => element.getAttribute('data-part') === partName)
    .map(element => element.textContent)
}

test('the page has one script and one style, both allowed by their hashes, and asks for nothing else', () => {
  const html = renderConsole()
  const policy = consoleHeaders()['content-security-policy'] ?? ''
  for (const [tag, directive] of [
    ['script', 'script-src'],
    ['style', 'style-src'],
  ] as const) {
    const blocks = [...html.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, 'g'))]
    assert.equal(blocks.length, 1, tag)
    const hash = createHash('sha256')
      .update(blocks[0]?.[1] ?? '')
      .digest('base64')
    assert.ok(policy.includes(`${directive} 'sha256-${hash}'`), tag)
  }
  assert.match(policy, /^default-src 'none';/)
  assert.doesNotMatch(policy, /unsafe/)
  const addresses = [...html.matchAll(/(?:https?:)?\/\/[a-z0-9.-]+\.[a-z]{2,}[^'"\s]*/g)].map(match => match[0])
  assert.deepEqual([...new Set(addresses)], ['http://www.w3.org/2000/svg'])
  assert.doesNotMatch(html, / style="| on[a-z]+="/, 'the policy would block these')
  assert.equal(renderConsole(), html)
})

test('the script holds every function of the page and none that reads text as markup or code', () => {
  const script = pageScript()
  for (const file of readdirSync(new URL('page/', import.meta.url))) {
    if (file.endsWith('.test.ts') || file === 'dom.ts') continue
    const source = readFileSync(new URL(`page/${file}`, import.meta.url), 'utf8')
    const names = [...source.matchAll(/^(?:export )?(?:async )?function (\w+)/gm)].map(match => match[1] ?? '')
    assert.ok(names.length > 0, file)
    for (const name of names)
      assert.ok(
        script.includes(`function ${name}(`) || script.includes(`function ${name} `),
        `${file} ${name} is not exported`,
      )
    assert.doesNotMatch(source, /^(?:export )?(?:const|let|class) /m, `${file} has a value that the script would lack`)
  }
  assert.doesNotMatch(script, /innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|<\/script/i)
  assert.doesNotMatch(script, /^\s*(import|export) /m)
})

test('the page shows services, routes, gateways, problems and the picture', async () => {
  const page = await open(() => shopStatus())
  assert.equal(page.body.getAttribute('class'), 'live')
  assert.equal(page.byId('connection').textContent, 'Live')
  assert.equal(page.byId('ready').textContent, 'Ready')
  assert.equal(page.byId('service-count').textContent, '7')
  assert.equal(page.byId('route-count').textContent, '4', 'the routes that services have by themselves are not listed')
  assert.equal(page.byId('total-healthy').textContent, '13 / 16')
  assert.equal(page.byId('problem-list').children.length, 2)
  assert.match(
    page.byId('problem-list').textContent,
    /shop\/reviews-v9 does not exist.*spec\.rules\[1\].*reviews\.yaml:31/,
  )
  assert.match(page.byId('gateway-list').textContent, /InvalidCertificateRefSecret shop\/web-cert does not exist/)
  assert.match(page.byId('route-list').textContent, /90%shop\/reviews:9080/)
  assert.deepEqual(texts(page, 'mesh-svg', 'name').slice(0, 6), [
    'web',
    'In the mesh',
    'storefront',
    'cart',
    'reviews-canary',
    'chat',
  ])
})

test('an empty mesh says what to do', async () => {
  const page = await open(emptyStatus)
  assert.equal(page.byId('mesh-empty').hidden, false)
  assert.equal(page.byId('mesh-svg').hidden, true)
  assert.equal(page.byId('problems').hidden, true)
  assert.equal(page.byId('no-services').textContent, 'There are no services yet.')
  assert.equal(page.byId('awaiting').textContent, 'Waiting for configuration')
})

test('elements stay the same from second to second, and those of things that are gone go', async () => {
  let second = 60
  let isCartGone = false
  const page = await open(() => {
    const status = shopStatus(second++)
    return isCartGone ? { ...status, services: status.services.filter(service => service.name !== 'cart') } : status
  })
  const table = page.byId('service-table')
  const before = table.children
  const rates = texts(page, 'service-table', 'rate')
  before[2]
    ?.all()
    .find(element => element.tag === 'button')
    ?.fire('click')
  await page.tick()
  assert.deepEqual(table.children, before)
  assert.notDeepEqual(texts(page, 'service-table', 'rate'), rates)
  const details = table.children[2]?.all().find(element => element.getAttribute('class') === 'details')
  assert.equal(details?.hidden, false, 'what was unfolded stays unfolded')
  isCartGone = true
  await page.tick()
  assert.deepEqual(
    table.children,
    before.filter(element => element.getAttribute('data-key') !== 'shop/cart:8080'),
  )
  assert.equal(page.byId('service-count').textContent, '6')
})

test('the filter looks at names, addresses and states', async () => {
  const page = await open(() => shopStatus())
  const shownBy = (text: string): (string | null)[] => {
    page.byId('filter').value = text
    page.byId('filter').fire('input')
    return page
      .byId('service-table')
      .children.slice(2)
      .map(body => body.getAttribute('data-key'))
  }
  assert.deepEqual(shownBy('CART'), ['shop/cart:8080'])
  assert.deepEqual(shownBy('ejected'), ['shop/reviews:9080'])
  assert.deepEqual(shownBy('127.0.0.1:17000'), ['shop/payment:7000'])
  assert.deepEqual(shownBy('shop healthy 9200'), ['shop/chat:9200'])
  assert.deepEqual(shownBy('nothing like it'), [])
  assert.equal(page.byId('no-services').textContent, 'No service matches.')
  assert.equal(shownBy('').length, 7)
})

test('a large mesh is drawn in part until all of it is asked for', async () => {
  const page = await open(() => largeStatus(40))
  const services = (): number =>
    page
      .byId('mesh-svg')
      .all()
      .filter(element => element.getAttribute('class')?.startsWith('node service')).length
  assert.equal(services(), 16)
  assert.equal(page.byId('show-all').textContent, 'Show all 40 services')
  page.byId('show-all').fire('click')
  assert.equal(services(), 40)
})

test('network policies are shown with what they select, and only where there are some', async () => {
  let policies = shopStatus().networkPolicies
  const page = await open(() => ({ ...shopStatus(), networkPolicies: policies }))
  assert.equal(page.byId('policies').hidden, false)
  const shown = page.byId('policy-list').children.map(({ textContent }) => textContent)
  assert.deepEqual(shown, [
    'NetworkPolicyshop/closedno ingress of nothingNot enforcedClosed: it has mistakes',
    'NetworkPolicyshop/reviewsingress by 1 rule, egress by 2 rules of shop/reviews-v1, shop/reviews-v2Not enforced',
  ])
  policies = []
  await page.tick()
  assert.equal(page.byId('policies').hidden, true)
})

test('a failed request is shown, the last picture stays, and the page recovers', async () => {
  let isDown = false
  const page = await open(() => {
    if (isDown) throw new Error('refused')
    return shopStatus()
  })
  isDown = true
  await page.tick()
  assert.equal(page.body.getAttribute('class'), 'stale')
  assert.match(page.byId('connection').textContent, /^No answer since /)
  assert.equal(page.byId('service-count').textContent, '7')
  isDown = false
  await page.tick()
  assert.equal(page.body.getAttribute('class'), 'live')
})

test('hostile names are shown as text and make no element', async () => {
  const hostile = `"><img src=x onerror=alert(1)></script><script>alert(1)</script>&amp;`
  const plain = await open(() => shopStatus())
  const renamed = JSON.stringify(shopStatus(), (key, value: unknown) =>
    typeof value === 'string' &&
    [
      'name',
      'message',
      'policy',
      'workload',
      'zone',
      'address',
      'path',
      'hostname',
      'invalid',
      'version',
      'protocol',
    ].includes(key)
      ? hostile
      : value,
  )
  const page = await open(() => JSON.parse(renamed) as StatusDocument)
  const tags = (opened: FakePage): string[] =>
    [...new Set(opened.body.all().map(element => element.tag))].toSorted((a, b) => (a < b ? -1 : 1))
  assert.deepEqual(tags(page), tags(plain))
  assert.ok(page.byId('service-table').textContent.includes(hostile))
  assert.ok(page.byId('problem-list').textContent.includes(hostile))
  for (const element of page.body.all()) {
    for (const name of element.attributes.keys()) assert.doesNotMatch(name, /^(on|src|href|style)/)
  }
  assert.ok(page.body instanceof FakeElement)
})
