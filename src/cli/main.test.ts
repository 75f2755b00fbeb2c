import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { parseCall } from './call.ts'
import { completionScript } from './completion.ts'
import { main, verbs } from './main.ts'
import { sampleStatus } from './sample-status.ts'
import type { CliIo, Verb } from './verb.ts'

interface Heard extends CliIo {
  readonly stdout: () => string
  readonly stderr: () => string
}

function listen(env: Record<string, string> = {}): Heard {
  let stdout = ''
  let stderr = ''
  return {
    env: { HEDDLE_SOCKET_PATH: '/nonexistent/agent.sock', ...env },
    isTerminal: false,
    columns: undefined,
    out: text => void (stdout += text),
    err: text => void (stderr += text),
    stdout: () => stdout,
    stderr: () => stderr,
  }
}

/** An agent that answers with what it is given. */
async function fakeAgent(t: TestContext, answers: Readonly<Record<string, unknown>>): Promise<string> {
  const directory = mkdtempSync(path.join(tmpdir(), 'heddle-cli-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const socketPath = path.join(directory, 'agent.sock')
  const server: Server = createServer((request, response) => {
    const answer = answers[(request.url ?? '').split('?')[0] ?? '']
    response.statusCode = answer === undefined ? 404 : 200
    response.end(JSON.stringify(answer ?? { error: { code: 'MESH_X', message: 'no such page', hint: 'try another' } }))
  })
  await new Promise<void>(resolve => server.listen(socketPath, resolve))
  t.after(() => server.close())
  return socketPath
}

const verb: Verb = {
  name: 'do',
  summary: '',
  usage: '',
  flags: [
    { name: 'file', short: 'f', value: 'PATH', isRepeated: true, about: '' },
    { name: 'form', value: 'FORM', choices: ['a', 'b'], about: '' },
    { name: 'loud', short: 'l', about: '' },
    { name: 'look', value: 'WHERE', alone: 'here', about: '' },
  ],
  examples: [],
  run: () => Promise.resolve(0),
}

const understood: readonly (readonly [string, unknown])[] = [
  ['x --loud y', { flags: [['loud', ['']]], positionals: ['x', 'y'], rest: undefined }],
  ['-f a -fb --file=c --file d', { flags: [['file', ['a', 'b', 'c', 'd']]], positionals: [], rest: undefined }],
  ['--form b -- --loud x', { flags: [['form', ['b']]], positionals: [], rest: ['--loud', 'x'] }],
  ['--look there', { flags: [['look', ['here']]], positionals: ['there'], rest: undefined }],
  ['--look=there', { flags: [['look', ['there']]], positionals: [], rest: undefined }],
  ['--', { flags: [], positionals: [], rest: [] }],
  ['-', { flags: [], positionals: ['-'], rest: undefined }],
]
for (const [line, expected] of understood) {
  test(`parseCall() understands ${line}`, () => {
    const { flags, positionals, rest } = parseCall(verb, line.split(' '))
    assert.deepEqual({ flags: [...flags], positionals, rest }, expected)
  })
}

const refused: readonly (readonly [string, RegExp])[] = [
  ['--lout', /heddle do has no --lout, did you mean --loud\?/],
  ['-x', /heddle do has no -x/],
  ['--file', /--file needs a value: --file PATH/],
  ['--file --', /--file needs a value/],
  ['--loud=1', /--loud takes no value/],
  ['--form c', /--form is a or b, not "c"/],
  ['--form a --form b', /--form is given twice/],
]
for (const [line, message] of refused) {
  test(`parseCall() refuses ${line}`, () => {
    assert.throws(() => parseCall(verb, line.split(' ')), { code: 'MESH_USAGE', message })
  })
}

const outcomes: readonly { words: string; code: number; stdout?: RegExp; stderr?: RegExp }[] = [
  { words: '', code: 2, stderr: /Usage: heddle COMMAND/ },
  { words: '--help', code: 0, stdout: /Usage: heddle COMMAND/ },
  { words: 'help run', code: 0, stdout: /heddle run:.*\n\nUsage: heddle run \[FLAG …\] --service NAME -- PROGRAM/ },
  { words: 'run --help', code: 0, stdout: /--health-path PATH/ },
  { words: '--version', code: 0, stdout: /^heddle \d+\.\d+\.\d+ on Node v/ },
  { words: 'stats', code: 2, stderr: /there is no command "stats", did you mean status\?/ },
  { words: 'zzzzzz', code: 2, stderr: /heddle help\n$/ },
  { words: 'help stats', code: 2, stderr: /did you mean status\?/ },
  {
    words: 'status',
    code: 1,
    stderr: /^heddle: no agent answers at \/nonexistent\/agent.sock: start one with heddle up -f DIR\n$/,
  },
  { words: 'top --once', code: 1, stderr: /no agent answers/ },
  { words: 'run --service a -- true', code: 1, stderr: /no agent answers/ },
  { words: 'run --service a node x.js', code: 2, stderr: /heddle run --service NAME -- node x.js/ },
  { words: 'run --port 80 -- true', code: 2, stderr: /run needs --service/ },
  { words: 'run --service a --port x -- true', code: 2, stderr: /--port must be a number/ },
  { words: 'run --service a --label x -- true', code: 2, stderr: /--label is NAME=VALUE/ },
  { words: 'up', code: 2, stderr: /up needs the files/ },
  { words: 'check', code: 2, stderr: /check needs the files/ },
  { words: 'up --print-settings --workers 3', code: 0, stdout: /^workers +3 +--workers +Threads/ },
  {
    words: 'up --workers 0 --log-level loud --zone=-',
    code: 2,
    stderr: /--workers = "0": must be .*\n--log-level = "loud": must be .*\n--zone = "-": must be/,
  },
  { words: 'up --settings /nonexistent.yaml --print-settings', code: 2, stderr: /--settings: ENOENT/ },
  { words: 'explain', code: 2, stderr: /explain takes a method and a URL/ },
  { words: 'policy', code: 2, stderr: /policy takes check or eval/ },
  { words: 'policy chek', code: 2, stderr: /did you mean check\?/ },
  { words: 'policy check --from a', code: 2, stderr: /check needs --from and --to/ },
  { words: 'policy check --from a --to b --cases c', code: 2, stderr: /--cases does not go with check/ },
  { words: 'policy check --from a --to b --port 99999', code: 2, stderr: /--port: expected a number from 1 to 65535/ },
  { words: 'policy check --from a --to b', code: 1, stderr: /no agent answers/ },
  { words: 'policy eval', code: 2, stderr: /eval needs --cases FILE/ },
  { words: 'policy eval --cases /nonexistent.json', code: 1, stderr: /\/nonexistent.json: ENOENT/ },
  { words: 'logs --lines x', code: 2, stderr: /--lines must be/ },
  { words: 'completion tcsh', code: 2, stderr: /bash, zsh or fish/ },
]
for (const { words, code, stdout, stderr } of outcomes) {
  test(`heddle ${words} ends with ${code}`, async () => {
    const io = listen()
    assert.equal(await main(words === '' ? [] : words.split(' '), io), code, io.stderr())
    if (stdout !== undefined) assert.match(io.stdout(), stdout)
    if (stderr !== undefined) assert.match(io.stderr(), stderr)
    assert.equal(io.stderr().includes('    at '), false, 'no stack')
  })
}

test('heddle status prints a table or JSON, and fails when there are errors', async t => {
  const socketPath = await fakeAgent(t, { '/status.json': sampleStatus })
  const table = listen({ HEDDLE_SOCKET_PATH: socketPath })
  assert.equal(await main(['status'], table), 1, 'the sample has an error')
  assert.match(table.stdout(), /^heddle 0\.1\.0, pid 42/)
  const json = listen()
  assert.equal(await main(['status', '-o', 'json', '--socket-path', socketPath], json), 1)
  assert.deepEqual(JSON.parse(json.stdout()), sampleStatus)
  const well = await fakeAgent(t, { '/status.json': { ...sampleStatus, problems: [] } })
  assert.equal(await main(['status', '--socket-path', well], listen()), 0)
})

test('heddle routes filters by name', async t => {
  const socketPath = await fakeAgent(t, { '/routes.json': sampleStatus.routes })
  const run = async (...words: string[]) => {
    const io = listen({ HEDDLE_SOCKET_PATH: socketPath })
    const code = await main(['routes', ...words], io)
    return [code, io.stdout().split('\n')[0] ?? '', io.stderr()]
  }
  assert.deepEqual((await run())[0], 0)
  assert.match(String((await run('reviews'))[1]), /^HTTPRoute shop\/reviews/)
  assert.deepEqual(await run('nosuch'), [1, '', 'there is no route nosuch\n'])
})

test('heddle tells the error of the agent and its hint', async t => {
  const socketPath = await fakeAgent(t, {})
  const io = listen({ HEDDLE_SOCKET_PATH: socketPath })
  assert.equal(await main(['routes'], io), 1)
  assert.equal(io.stderr(), 'heddle: no such page\n  try another\n')
})

test('a client does not mind a mistake in a setting that it does not need', async t => {
  const socketPath = await fakeAgent(t, { '/status.json': { ...sampleStatus, problems: [] } })
  assert.equal(await main(['status'], listen({ HEDDLE_SOCKET_PATH: socketPath, HEDDLE_WORKERS: 'x' })), 0)
})

for (const shell of ['bash', 'zsh', 'fish']) {
  test(`completion for ${shell} knows every command and flag`, () => {
    const script = completionScript(shell, verbs) ?? ''
    for (const { name, flags } of verbs) {
      assert.ok(script.includes(name), name)
      for (const flag of flags) assert.ok(script.includes(flag.name), `${name} --${flag.name}`)
    }
  })
}

test('every command has a summary, and its flags have a sentence and no double letters', () => {
  for (const { name, summary, flags, examples } of verbs) {
    assert.ok(summary.length > 10 && examples.length > 0, name)
    const shorts = ['h', ...flags.flatMap(({ short }) => short ?? [])]
    assert.equal(new Set(shorts).size, shorts.length, name)
    for (const flag of flags) assert.match(flag.about, /[.)]$/, `${name} --${flag.name}`)
  }
})
