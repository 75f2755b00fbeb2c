import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flagOf, settingDefinitions, settingKeys, variableOf } from './settings.ts'
import type { Machine, SettingDefinition, SettingKey } from './settings.ts'
import { formatSettingProblem, formatSettings, readSettings } from './settings-sources.ts'

const machine: Machine = { env: {}, uid: 1000, parallelism: 8, temporaryDirectory: '/tmp' }

function settingsOf(input: Partial<Parameters<typeof readSettings>[0]>) {
  const result = readSettings({ machine, ...input })
  assert.equal(result.kind, 'settings')
  return result.kind === 'settings' ? result : assert.fail()
}

function problemsOf(input: Partial<Parameters<typeof readSettings>[0]>): string[] {
  const result = readSettings({ machine, ...input })
  return result.kind === 'problems' ? result.problems.map(formatSettingProblem) : assert.fail('no problems')
}

test('readSettings() lets a flag win over the environment over the file over the default', () => {
  const file = { name: 'heddle.yaml', text: 'workers: 2\nzone: west\nlogLevel: warn\n' }
  const env = { HEDDLE_WORKERS: '3', HEDDLE_ZONE: 'east' }
  const { settings, origins } = settingsOf({ machine: { ...machine, env }, file, flags: { workers: '5' } })
  assert.deepEqual([settings.workers, origins.workers], [5, '--workers'])
  assert.deepEqual([settings.zone, origins.zone], ['east', 'HEDDLE_ZONE'])
  assert.deepEqual([settings.logLevel, origins.logLevel], ['warn', 'heddle.yaml'])
  assert.deepEqual([settings.drainSeconds, origins.drainSeconds], [30, 'default'])
})

test('readSettings() reports all mistakes at once with key, value, origin and nearest key', () => {
  const problems = problemsOf({
    machine: { ...machine, env: { HEDDLE_WORKER: '2', HEDDLE_DRAIN_SECONDS: 'soon' } },
    file: { name: 'heddle.yaml', text: 'loglevel: info\nbindAddress: [a]\nwhatever: 1\n' },
    flags: { adminAddress: '0.0.0.0:15000' },
  })
  assert.deepEqual(
    problems,
    [
      'loglevel = "info" (from heddle.yaml): is not a setting, did you mean logLevel?',
      'bindAddress = "[\\"a\\"]" (from heddle.yaml): must be a single value',
      'whatever = "1" (from heddle.yaml): is not a setting',
      'HEDDLE_WORKER = "2": is not a setting, did you mean HEDDLE_WORKERS?',
      'HEDDLE_DRAIN_SECONDS = "soon": must be a whole number from 0 to 86400',
      '--admin-address = "0.0.0.0:15000" (from --admin-address): must be a loopback address, such as 127.0.0.1:15000',
    ].map(line => line.replace(' (from --admin-address)', '')),
  )
})

test('readSettings() reports a wrong value although a later origin overrides it', () => {
  const problems = problemsOf({ machine: { ...machine, env: { HEDDLE_WORKERS: 'x' } }, flags: { workers: '2' } })
  assert.deepEqual(problems, ['HEDDLE_WORKERS = "x": must be a whole number from 1 to 256'])
})

test('readSettings() ignores the variables of a Service called heddle and those of tests', () => {
  const env = {
    HEDDLE_SERVICE_HOST: '10.0.0.1',
    HEDDLE_SERVICE_PORT: '80',
    HEDDLE_SERVICE_PORT_HTTP: '80',
    HEDDLE_PORT: 'tcp://10.0.0.1:80',
    HEDDLE_PORT_80_TCP: 'tcp://10.0.0.1:80',
    HEDDLE_ADMIN_SERVICE_HOST: '10.0.0.2',
    HEDDLE_TEST_REQUIRE: 'net',
  }
  assert.equal(settingsOf({ machine: { ...machine, env } }).origins.workers, 'default')
})

test('readSettings() reports a file that is not YAML or not a map', () => {
  assert.match(problemsOf({ file: { name: 's.yaml', text: 'workers: [1' } })[0] ?? '', /^s\.yaml: /)
  assert.deepEqual(problemsOf({ file: { name: 's.yaml', text: '- 1' } }), [
    's.yaml: must be a map of settings, such as workers: 2',
  ])
  assert.equal(settingsOf({ file: { name: 's.yaml', text: '# nothing\n' } }).origins.workers, 'default')
})

const cases: readonly (readonly [SettingKey, string, boolean])[] = [
  ['workers', '1', true],
  ['workers', '0', false],
  ['workers', '-1', false],
  ['workers', '1.5', false],
  ['workers', '257', false],
  ['bindAddress', '0.0.0.0', true],
  ['bindAddress', '::', true],
  ['bindAddress', 'localhost', false],
  ['dnsAddress', 'auto', true],
  ['dnsAddress', 'off', true],
  ['dnsAddress', '[::1]:53', true],
  ['dnsAddress', '10.0.0.1:53', false],
  ['dnsAddress', 'on', false],
  ['dnsUpstream', '/run/resolv.conf', true],
  ['dnsUpstream', '192.0.2.1, [fd00::1]:5353,fd00::2', true],
  ['dnsUpstream', '192.0.2.1,dns.example', false],
  ['dnsUpstream', '192.0.2.1:0', false],
  ['dnsUpstream', '192.0.2.1:65536', false],
  ['dnsUpstream', 'resolv.conf', false],
  ['dnsUpstream', '', false],
  ['adminAddress', '127.0.0.1:0', true],
  ['adminAddress', '[::1]:15000', true],
  ['adminAddress', 'localhost:1', true],
  ['adminAddress', '127.0.0.1:65536', false],
  ['adminAddress', '127.0.0.1', false],
  ['adminAddress', '10.0.0.1:1', false],
  ['adminAddress', '127.evil.example:1', false],
  ['socketPath', '/x/agent.sock', true],
  ['socketPath', `/${'x'.repeat(120)}`, false],
  ['socketPath', '', false],
  ['accessLog', 'off', true],
  ['accessLog', 'access.log', true],
  ['accessLog', '', false],
  ['accessLogFormat', 'json', true],
  ['accessLogFormat', 'JSON', false],
  ['logFormat', 'text', true],
  ['logLevel', 'trace', false],
  ['drainSeconds', '0', true],
  ['zone', '', true],
  ['zone', 'eu-west-1a', true],
  ['zone', 'a b', false],
  ['serviceCidr', '127.77.0.0/16', true],
  ['serviceCidr', '10.0.0.0/16', false],
  ['serviceCidr', '127.0.0.0/31', false],
  ['serviceCidr', '127.0.0.256/24', false],
]

for (const [key, text, ok] of cases) {
  test(`setting ${key} ${ok ? 'takes' : 'refuses'} ${JSON.stringify(text.slice(0, 30))}`, () => {
    assert.equal(settingDefinitions[key].parse(text).ok, ok)
  })
}

test('every default is a value that its own setting takes', () => {
  for (const key of settingKeys) {
    const definition = settingDefinitions[key] as SettingDefinition<unknown>
    const text = definition.format(definition.default(machine))
    assert.deepEqual(definition.parse(text), { ok: true, value: definition.default(machine) }, key)
  }
})

test('the socket is below XDG_RUNTIME_DIR, and /run/heddle for root', () => {
  const of = (uid: number, env: Record<string, string>) =>
    settingDefinitions.socketPath.default({ ...machine, uid, env })
  assert.equal(of(1000, { XDG_RUNTIME_DIR: '/run/user/1000' }), '/run/user/1000/heddle/agent.sock')
  assert.equal(of(1000, {}), '/tmp/heddle-1000/agent.sock')
  assert.equal(of(0, { XDG_RUNTIME_DIR: '/run/user/0' }), '/run/heddle/agent.sock')
})

test('flags and variables are derived from the key', () => {
  assert.equal(flagOf('accessLogFormat'), 'access-log-format')
  assert.equal(variableOf('accessLogFormat'), 'HEDDLE_ACCESS_LOG_FORMAT')
})

test('formatSettings() shows value, unit, origin and sentence', () => {
  const { settings, origins } = settingsOf({ flags: { drainSeconds: '5' } })
  const lines = formatSettings(settings, origins).split('\n')
  assert.equal(lines.length, settingKeys.length)
  const drain = lines.find(line => line.startsWith('drainSeconds')) ?? ''
  assert.match(drain, /^drainSeconds\s+5 s\s+--drain-seconds\s+How long requests/)
  assert.match(lines.find(line => line.startsWith('zone')) ?? '', /^zone\s+""\s+default/)
})
