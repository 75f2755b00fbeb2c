import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { formatProblem, MeshError, messageOf } from '../core/index.ts'
import type { Problem } from '../core/index.ts'
import { answerFromFiles, nearest, parseProtocol, parseQuestions } from '../daemon/index.ts'
import type { PolicyAnswer, PolicyCase, PolicyConnection, PolicyDirection, PolicyReply } from '../daemon/index.ts'
import type { AgentClient } from './agent-client.ts'
import { usage } from './call.ts'
import { agentOf, paintOf, printJson, wantsJson } from './context.ts'
import { withoutControls } from './paint.ts'
import type { Paint } from './paint.ts'
import { colorFlag, flagValue, outputFlag, socketFlag } from './verb.ts'
import type { Call, CliIo, Verb } from './verb.ts'

export const policy: Verb = {
  name: 'policy',
  summary: 'what NetworkPolicies say about a connection (check), or about a file of them (eval)',
  usage: 'check --from WHO --to WHO [--port PORT] | eval --cases FILE',
  flags: [
    { name: 'from', value: 'WHO', about: 'A Workload or a Service, NAMESPACE/NAME, or an IP address.' },
    { name: 'to', value: 'WHO', about: 'As --from; a Service stands for its endpoints.' },
    { name: 'port', short: 'p', value: 'PORT', about: 'Number or name; needed unless the destination has one port.' },
    { name: 'protocol', value: 'NAME', choices: ['tcp', 'udp', 'sctp'], about: 'TCP unless told otherwise.' },
    {
      name: 'cases',
      value: 'FILE',
      about: 'JSON: a list of {"from", "to", "port", "protocol", "name", "expect"}; - for standard input.',
    },
    {
      name: 'file',
      short: 'f',
      value: 'PATH',
      isRepeated: true,
      about: 'Ask the policies of these files instead of a running agent.',
    },
    outputFlag,
    socketFlag,
    colorFlag,
  ],
  examples: [
    'heddle policy check --from shop/web --to shop/reviews --port 9080',
    'heddle policy check --from 192.0.2.7 --to shop/web-1 --port 8080 -f mesh/',
    'heddle policy eval --cases cases.json -f mesh/ -o json',
  ],
  exits: ['1 also when check finds a connection denied, or a case of eval comes out otherwise than it expects'],
  async run(call, io) {
    const [what, extra] = call.positionals
    if (extra !== undefined) throw usage(policy, `what is ${JSON.stringify(extra)}?`)
    if (what === 'check') return checkOne(call, io)
    if (what === 'eval') return evaluateCases(call, io)
    const near = what === undefined ? undefined : nearest(what, ['check', 'eval'])
    throw usage(policy, `policy takes check or eval${near === undefined ? '' : `, did you mean ${near}?`}`)
  },
}

interface Reply extends PolicyReply {
  /** Of files. */
  readonly problems?: readonly Problem[]
}

async function checkOne(call: Call, io: CliIo): Promise<number> {
  refuse(call, ['cases'], 'check')
  const from = flagValue(call, 'from')
  const to = flagValue(call, 'to')
  if (from === undefined || to === undefined) throw usage(policy, 'check needs --from and --to')
  const port = flagValue(call, 'port')
  const protocol = parseProtocol(flagValue(call, 'protocol'))
  const question = {
    from,
    to,
    ...(port === undefined ? {} : { port: /^\d+$/.test(port) ? Number(port) : port }),
    ...(protocol === undefined ? {} : { protocol }),
  }
  const parsed = parseQuestions([question])
  if (parsed.kind === 'invalid') {
    throw usage(policy, parsed.problems.map(each => each.replace(/^\[0\]\./, '--')).join('\n'))
  }
  const reply = await ask(call, io, parsed.cases)
  const [answer] = reply.answers
  if (answer === undefined) throw new MeshError('MESH_AGENT_ANSWER', 'the agent gave no answer', { source: 'internal' })
  if (answer.verdict === 'error') throw new MeshError('MESH_POLICY_QUESTION', `--${answer.error}`, { source: 'config' })
  if (wantsJson(call)) printJson(io, { ...question, isEnforced: reply.isEnforced, ...answer })
  else io.out(`${renderAnswer(answer, reply, paintOf(call, io))}\n`)
  return answer.verdict === 'allow' ? 0 : 1
}

async function evaluateCases(call: Call, io: CliIo): Promise<number> {
  refuse(call, ['from', 'to', 'port', 'protocol'], 'eval')
  const file = flagValue(call, 'cases')
  if (file === undefined) throw usage(policy, 'eval needs --cases FILE')
  const cases = await readCases(file)
  const reply = await ask(call, io, cases)
  const results = reply.answers.map((answer, at) => resultOf(cases[at], answer))
  if (wantsJson(call)) printJson(io, results)
  else io.out(`${renderResults(results, reply, paintOf(call, io))}\n`)
  return results.some(({ isExpected, verdict }) => isExpected === false || verdict === 'error') ? 1 : 0
}

export type CaseResult = PolicyCase & PolicyAnswer & { readonly isExpected: boolean | null }

function resultOf(asked: PolicyCase | undefined, answer: PolicyAnswer): CaseResult {
  const { expect, ...rest } = asked ?? { from: '', to: '' }
  const isExpected = expect === undefined ? null : expect === answer.verdict
  return { ...rest, ...(expect === undefined ? {} : { expect }), ...answer, isExpected }
}

/** @throws MeshError MESH_POLICY_CASES with every problem and its path */
async function readCases(file: string): Promise<readonly PolicyCase[]> {
  const wrong = (message: string, cause?: unknown): MeshError =>
    new MeshError('MESH_POLICY_CASES', message, { source: 'config', ...(cause === undefined ? {} : { cause }) })
  const place = file === '-' ? 'standard input' : file
  let body: unknown
  try {
    body = JSON.parse(file === '-' ? await text(process.stdin) : await readFile(file, 'utf8'))
  } catch (error) {
    throw wrong(`${place}: ${messageOf(error)}`, error)
  }
  const parsed = parseQuestions(body)
  if (parsed.kind === 'cases') return parsed.cases
  throw wrong(parsed.problems.map(problem => `${place}: ${problem}`).join('\n'))
}

async function ask(call: Call, io: CliIo, cases: readonly PolicyCase[]): Promise<Reply> {
  const paths = call.flags.get('file') ?? []
  if (paths.length === 0) return askAgent(agentOf(call, io), cases)
  const reply = await answerFromFiles(paths, cases)
  // Of other resources nothing is wanted here; a policy with mistakes changes what is answered.
  const errors = reply.problems.filter(({ severity }) => severity === 'error')
  for (const problem of errors) io.err(`${withoutControls(formatProblem(problem))}\n`)
  return reply
}

async function askAgent(agent: AgentClient, cases: readonly PolicyCase[]): Promise<Reply> {
  const response = await agent.open('POST', '/policy', cases)
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Reply
}

function refuse(call: Call, names: readonly string[], what: string): void {
  const given = names.find(name => call.flags.has(name))
  if (given !== undefined) throw usage(policy, `--${given} does not go with ${what}`)
}

type Decided = Exclude<PolicyAnswer, { readonly verdict: 'error' }>

export function renderAnswer({ verdict, connections }: Decided, reply: PolicyReply, paint: Paint): string {
  const blocks = connections.map(connection =>
    [
      `${verdictText(connection.verdict, paint)} ${titleOf(connection, paint)}`,
      `  egress:  ${directionText(connection.egress, connection.from, paint)}`,
      `  ingress: ${directionText(connection.ingress, connection.to, paint)}`,
    ].join('\n'),
  )
  const summary =
    connections.length === 1 ? [] : [`${verdictText(verdict, paint)} of ${connections.length} connections`]
  return [...blocks, ...summary, ...enforcementLines(reply, paint)].join('\n')
}

export function renderResults(results: readonly CaseResult[], reply: PolicyReply, paint: Paint): string {
  const lines = results.map(result => {
    const { name, from, to, port, protocol = 'TCP', expect, isExpected } = result
    const asked = `${from} → ${to}${port === undefined ? '' : ` ${port}/${protocol}`}`
    const what = withoutControls(name === undefined ? asked : `${name}: ${asked}`)
    const why = result.verdict === 'error' ? `: ${result.error}` : reasonOf(result)
    const mark = isExpected === false ? paint.bad(`  expected ${expect ?? ''}`) : ''
    return `${verdictText(result.verdict, paint)} ${what}${paint.dim(withoutControls(why))}${mark}`
  })
  const asked = results.filter(({ isExpected }) => isExpected !== null)
  const wrong = asked.filter(({ isExpected }) => isExpected === false).length
  const count = `${results.length} ${results.length === 1 ? 'case' : 'cases'}`
  const verdict =
    asked.length === 0
      ? count
      : wrong === 0
        ? paint.good(`${count}, all as expected`)
        : paint.bad(`${count}, ${wrong} otherwise than expected`)
  return [...lines, verdict, ...enforcementLines(reply, paint)].join('\n')
}

/** Of the first connection that is denied, or else the first. */
function reasonOf({ connections }: Decided): string {
  const shown = connections.find(({ verdict }) => verdict === 'deny') ?? connections[0]
  if (shown === undefined) return ''
  const { egress, ingress, verdict } = shown
  const parts = [
    ...(verdict === 'allow' || egress.verdict === 'denied' ? [['egress', egress] as const] : []),
    ...(verdict === 'allow' || ingress.verdict === 'denied' ? [['ingress', ingress] as const] : []),
  ]
  const texts = parts
    .filter(([, { policies }]) => policies.length > 0)
    .map(([direction, { policies, rule }]) => `${direction} ${policies.join(', ')}${rule === null ? '' : ` ${rule}`}`)
  return texts.length === 0 ? '' : `  (${texts.join('; ')})`
}

function titleOf({ from, to, address, port, protocol }: PolicyConnection, paint: Paint): string {
  const where = `${address.includes(':') ? `[${address}]` : address}:${port}`
  const names = `${paint.name(withoutControls(from))} → ${paint.name(withoutControls(to))}`
  return `${names} ${to === address ? '' : `at ${where} `}${to === address ? `${port}/` : ''}${protocol}`
}

function directionText(direction: PolicyDirection, party: string, paint: Paint): string {
  const { verdict, policies, rule, isOverfull } = direction
  const names = policies.map(name => paint.name(name)).join(', ')
  switch (verdict) {
    case 'open':
      return `open, no policy selects ${party}`
    case 'allowed':
      return `${paint.good('allowed')} by ${names} ${rule ?? ''}`
    case 'denied':
      return isOverfull
        ? `${paint.bad('denied')}, there is no room for the rules of ${names}`
        : `${paint.bad('denied')}, no rule of ${names} fits`
    case 'self':
      return `${paint.good('allowed')}, a workload always reaches itself`
    case 'node':
      return `${paint.good('allowed')}, the agent of the node`
  }
}

function verdictText(verdict: PolicyAnswer['verdict'], paint: Paint): string {
  if (verdict === 'allow') return paint.good('allow ')
  return verdict === 'partly' ? paint.warn('partly') : paint.bad(verdict === 'deny' ? 'deny  ' : 'error ')
}

function enforcementLines({ isEnforced }: PolicyReply, paint: Paint): string[] {
  if (isEnforced !== false) return []
  return [paint.warn('NetworkPolicies are NOT enforced by this agent: see heddle status')]
}
