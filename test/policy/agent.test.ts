import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { TestMesh } from '../mesh/agent-process.ts'
import { service } from '../mesh/resources.ts'

const root = path.join(import.meta.dirname, '../..')

const workload = (name: string, port: number) => `---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: ${name}, namespace: shop, labels: {app: ${name}}}
spec: {service: reviews, port: ${port}}
`

const policy = (ingress: string) => `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only, namespace: shop}
spec: {podSelector: {matchLabels: {app: b}}, ingress: ${ingress}}
`

test('an agent answers by its policies, follows their files, and says wherever it is asked that it does not enforce them', async t => {
  const mesh = await TestMesh.create(t)
  mesh.write('mesh.yaml', service('reviews') + workload('a', 7001) + workload('b', 7002))
  mesh.write('policy.yaml', policy('[{from: [{podSelector: {matchLabels: {app: a}}}]}]'))
  await mesh.up()
  assert.match(
    mesh.output,
    /warning NetworkPolicies are NOT enforced: .*; traffic flows as if shop\/only were not there/,
  )
  const log = mesh.output
    .split('\n')
    .filter(line => line.includes('NetworkPolicies are NOT enforced') && !line.startsWith('warning '))
  assert.equal(log.length, 1, 'once in the log')

  const allowed = await mesh.run('policy', 'check', '--from', 'shop/a', '--to', 'shop/b')
  assert.equal(allowed.code, 0, allowed.stderr)
  assert.deepEqual(allowed.stdout.split('\n'), [
    'allow  shop/a → shop/b at 127.0.0.1:7002 TCP',
    '  egress:  open, no policy selects shop/a',
    '  ingress: allowed by shop/only spec.ingress[0]',
    'NetworkPolicies are NOT enforced by this agent: see heddle status',
    '',
  ])
  const denied = await mesh.run('policy', 'check', '--from', '192.0.2.1', '--to', 'shop/b', '-o', 'json')
  assert.equal(denied.code, 1)
  assert.partialDeepStrictEqual(JSON.parse(denied.stdout), { verdict: 'deny', isEnforced: false })
  const nobody = await mesh.run('policy', 'check', '--from', 'shop/c', '--to', 'shop/b')
  assert.deepEqual(
    [nobody.code, nobody.stderr],
    [1, 'heddle: --from: there is no Workload and no Service "shop/c", did you mean shop/a?\n'],
  )

  assert.match((await mesh.run('status')).stdout, /\nNetworkPolicies\n.*\nshop\/only +shop\/b +1 rule +- +NO\n/)
  assert.match((await mesh.run('status', 'netpol/only', '-n', 'shop')).stdout, /\n +Enforced +False +NoKernelTier +/)

  const metrics = (await mesh.ask('/metrics')).body
  assert.match(metrics, /^heddle_network_policies\{enforced="no"\} 1$/m)
  assert.match(metrics, /^heddle_config_problems\{severity="warning"\} 1$/m)

  // A mistake leaves the last good version in force.
  mesh.write('policy.yaml', policy('[{from: [{}]}]'))
  await mesh.until(async () => (await mesh.status()).problems.some(({ path: at }) => at === 'spec.ingress[0].from[0]'))
  assert.equal((await mesh.run('policy', 'check', '--from', 'shop/a', '--to', 'shop/b')).code, 0)
  mesh.write('policy.yaml', policy('[]'))
  await mesh.until(async () => (await mesh.status()).problems.length === 1)
  assert.equal((await mesh.run('policy', 'check', '--from', 'shop/a', '--to', 'shop/b')).code, 1)

  const cases = path.join(mesh.directory, 'cases.json')
  writeFileSync(
    cases,
    JSON.stringify([
      { from: 'shop/a', to: 'shop/b', expect: 'deny' },
      { name: 'open', from: 'shop/b', to: 'shop/a', port: 7001, expect: 'deny' },
      { from: 'shop/b', to: 'nobody' },
    ]),
  )
  const evaluated = await mesh.run('policy', 'eval', '--cases', cases, '--output', 'json')
  assert.equal(evaluated.code, 1)
  const results = JSON.parse(evaluated.stdout) as { verdict: string; isExpected: boolean | null }[]
  assert.deepEqual(
    results.map(({ verdict, isExpected }) => [verdict, isExpected]),
    [
      ['deny', true],
      ['allow', false],
      ['error', null],
    ],
  )
})

test('the example decides as its cases expect, and a wrong expectation is told', t => {
  const run = (cases: string, input?: string) =>
    spawnSync(
      process.execPath,
      ['src/cli/main.ts', 'policy', 'eval', '--cases', cases, '-f', 'examples/network-policy'],
      { cwd: root, encoding: 'utf8', input },
    )
  const good = run('examples/network-policy-cases.json')
  assert.equal(good.status, 0, good.stdout + good.stderr)
  assert.match(good.stdout, /\n8 cases, all as expected\n$/)
  const bad = run(path.relative(root, path.join(import.meta.dirname, 'wrong-cases.json')))
  assert.equal(bad.status, 1)
  assert.match(bad.stdout, /^allow  web asks.* {2}expected deny\n/)
  assert.match(bad.stdout, /\n1 case, 1 otherwise than expected\n$/)
  const piped = run('-', '[{ "from": "shop/web", "to": "192.0.2.1", "port": 80, "expect": "deny" }]')
  assert.match(piped.stdout, /^deny   shop\/web → 192\.0\.2\.1 80\/TCP .*\n1 case, all as expected\n$/)
  assert.match(run('-', 'x').stderr, /^heddle: standard input: Unexpected token/)
  t.diagnostic(good.stdout)
})

test('check names the policies that nobody enforces, and has no error for it', () => {
  const { status, stdout } = spawnSync(
    process.execPath,
    ['src/cli/main.ts', 'check', '-f', 'examples/network-policy'],
    { cwd: root, encoding: 'utf8' },
  )
  assert.equal(status, 0)
  assert.match(stdout, /^warning NetworkPolicies are NOT enforced: .* shop\/api, shop\/db, shop\/deny, shop\/web /)
  assert.match(stdout, /, 4 network policies\n$/)
})
