import { readFile } from 'node:fs/promises'
import { MeshError, messageOf } from '../core/index.ts'
import { compilePlugin, HeaderMap, pluginConfig, runOffline } from '../wasm/index.ts'
import type {
  HeaderField,
  HttpCallResult,
  OfflineMessage,
  OfflineRun,
  PluginConfig,
  PropertyValue,
} from '../wasm/index.ts'
import { usage } from './call.ts'
import type { WorkerPluginStatus } from '../daemon/index.ts'
import { agentOf, paintOf, printJson, wantsJson } from './context.ts'
import { renderPlugins } from './plugin-list.ts'
import { readProperty } from './plugin-property.ts'
import { renderRun, runAsJson } from './plugin-run.ts'
import { colorFlag, flagValue, outputFlag, socketFlag } from './verb.ts'
import type { Call, CliIo, Verb } from './verb.ts'

export const plugins: Verb = {
  name: 'plugins',
  summary:
    'plugins in WebAssembly as they run, worker by worker; test runs one request or connection through one, offline',
  usage: '[test PLUGIN.wasm]',
  flags: [
    { name: 'config', value: 'TEXT', about: 'Configuration of the plugin; @FILE reads it from a file.' },
    { name: 'vm-config', value: 'TEXT', about: 'Configuration of the virtual machine, as --config.' },
    { name: 'root-id', value: 'NAME', about: "Which of the module's root contexts." },
    { name: 'name', value: 'NAME', about: 'Name of the plugin.' },
    { name: 'env', value: 'NAME=VALUE', isRepeated: true, about: 'A variable that the plugin sees.' },
    { name: 'fail', value: 'HOW', choices: ['open', 'closed'], about: 'What a failure means: closed unless told.' },
    { name: 'request', value: 'LINE', about: "Method and target, 'POST /items?id=7'; GET / unless told." },
    { name: 'header', short: 'H', value: 'FIELD', isRepeated: true, about: "Of the request, 'name: value'." },
    { name: 'trailer', value: 'FIELD', isRepeated: true, about: 'Of the request, as --header.' },
    { name: 'body', value: 'TEXT', about: 'Of the request; @FILE reads it from a file.' },
    { name: 'response', value: 'STATUS', about: 'What the upstream answers; 200 unless told.' },
    { name: 'response-header', value: 'FIELD', isRepeated: true, about: "Of the response, 'name: value'." },
    { name: 'response-body', value: 'TEXT', about: 'Of the response, as --body.' },
    { name: 'response-trailer', value: 'FIELD', isRepeated: true, about: 'Of the response, as --header.' },
    {
      name: 'property',
      value: 'NAME=VALUE',
      isRepeated: true,
      about:
        "A property, source.port=4567. Attributes have their types; others are text, or 'mine:TYPE=…': bytes (in hexadecimal digits), int, double, bool, time (2026-01-02T03:04:05Z), duration (1.5s).",
    },
    {
      name: 'upstream',
      value: 'NAME=ANSWER',
      isRepeated: true,
      about:
        "What a service answers that the plugin calls: 'auth=200 welcome', 'auth=failed', or 'auth=@FILE', a file with status, fields and body as in HTTP/1.1.",
    },
    {
      name: 'kind',
      value: 'KIND',
      choices: ['http', 'tcp', 'service'],
      about: 'http unless told; tcp: the plugin sees a connection; service: it sees neither.',
    },
    {
      name: 'data',
      value: 'TEXT',
      isRepeated: true,
      about: 'A piece that the client of a connection sends; as --body.',
    },
    { name: 'response-data', value: 'TEXT', isRepeated: true, about: 'A piece that the endpoint sends then.' },
    {
      name: 'ticks',
      value: 'COUNT',
      about: "How often the plugin's timer comes due before the request, and at most as often again while it is held.",
    },
    outputFlag,
    socketFlag,
    colorFlag,
  ],
  examples: [
    'heddle plugins',
    'heddle plugins test stamp.wasm --config \'{"header": "x-stamped"}\'',
    "heddle plugins test shout.wasm --data hello --response-data 'who is there?'",
    "heddle plugins test gate.wasm --root-id gate --request 'GET /admin' --upstream 'gate=401 no' -o json",
  ],
  exits: ['1 also when a plugin does not start or fails'],
  async run(call, io) {
    const [what, path, extra] = call.positionals
    if (what === undefined) return listPlugins(call, io)
    if (what !== 'test') throw usage(plugins, 'plugins takes test')
    if (path === undefined) throw usage(plugins, 'test needs the file of a plugin')
    if (extra !== undefined) throw usage(plugins, `what is ${JSON.stringify(extra)}?`)
    const run = await runPlugin(path, call)
    show(run, call, io)
    return run.outcome.kind === 'not-started' || run.failure !== undefined ? 1 : 0
  },
}

async function listPlugins(call: Call, io: CliIo): Promise<number> {
  const list = await agentOf(call, io).json<readonly WorkerPluginStatus[]>('/plugins.json')
  if (wantsJson(call)) printJson(io, list)
  else if (list.length === 0) io.err('there are no plugins\n')
  else io.out(`${renderPlugins(list, { paint: paintOf(call, io), width: io.columns })}\n`)
  return list.some(({ status }) => status === 'failed') ? 1 : 0
}

async function runPlugin(path: string, call: Call): Promise<OfflineRun> {
  const module = await compilePlugin(await contentOf(path))
  const config = pluginConfig({
    name: flagValue(call, 'name') ?? 'test',
    rootId: flagValue(call, 'root-id') ?? '',
    configuration: await textOf(call, 'config'),
    vmConfiguration: await textOf(call, 'vm-config'),
    environment: Object.fromEntries(assignments(call, 'env')),
    kind: kindOf(call),
    failurePolicy: flagValue(call, 'fail') === 'open' ? 'open' : 'closed',
  })
  const ticks = flagValue(call, 'ticks') ?? '0'
  if (!/^\d{1,4}$/.test(ticks)) throw usage(plugins, `--ticks is a number up to 9999, not ${JSON.stringify(ticks)}`)
  return runOffline(module, {
    config,
    ticks: Number(ticks),
    request: await requestOf(call),
    response: await responseOf(call),
    connection: { fromClient: await piecesOf(call, 'data'), fromEndpoint: await piecesOf(call, 'response-data') },
    upstreams: await upstreamsOf(call),
    properties: propertiesOf(call),
  })
}

/** Pieces say that there is a connection. */
function kindOf(call: Call): PluginConfig['kind'] {
  const kind = flagValue(call, 'kind')
  const hasData = call.flags.has('data') || call.flags.has('response-data')
  if (kind === 'tcp' || (kind === undefined && hasData)) return 'tcp'
  if (hasData) throw usage(plugins, `--data and --response-data are for --kind tcp, not ${kind}`)
  return kind === 'service' ? 'service' : 'http'
}

async function piecesOf(call: Call, flag: string): Promise<readonly Uint8Array[]> {
  return Promise.all((call.flags.get(flag) ?? []).map(bytesOf))
}

async function requestOf(call: Call): Promise<OfflineMessage> {
  const line = flagValue(call, 'request') ?? 'GET /'
  const match = /^([!#$%&'*+.^_`|~\w-]+) (\S+)$/.exec(line)
  if (match === null) throw usage(plugins, `--request is METHOD TARGET, not ${JSON.stringify(line)}`)
  const fields = fieldsOf(call, 'header')
  const host = fields.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? 'example.com'
  const pseudo: readonly HeaderField[] = [
    [':method', match[1] ?? ''],
    [':path', match[2] ?? ''],
    [':scheme', 'http'],
    [':authority', host],
  ]
  const others = fields.filter(([name]) => name.toLowerCase() !== 'host')
  return {
    headers: HeaderMap.of([...pseudo, ...others]),
    body: await textOf(call, 'body'),
    ...trailersOf(call, 'trailer'),
  }
}

async function responseOf(call: Call): Promise<OfflineMessage> {
  const status = flagValue(call, 'response') ?? '200'
  if (!/^[2-5]\d\d$/.test(status)) throw usage(plugins, `--response is a status, not ${JSON.stringify(status)}`)
  const headers = HeaderMap.of([[':status', status], ...fieldsOf(call, 'response-header')])
  return { headers, body: await textOf(call, 'response-body'), ...trailersOf(call, 'response-trailer') }
}

function trailersOf(call: Call, flag: string): { readonly trailers?: HeaderMap } {
  const fields = fieldsOf(call, flag)
  return fields.length === 0 ? {} : { trailers: HeaderMap.of(fields) }
}

async function upstreamsOf(call: Call): Promise<ReadonlyMap<string, HttpCallResult>> {
  const upstreams = new Map<string, HttpCallResult>()
  for (const [name, answer] of assignments(call, 'upstream')) {
    const isFile = answer.startsWith('@')
    upstreams.set(name, isFile ? answerInFile(answer.slice(1), await contentOf(answer.slice(1))) : answerOf(answer))
  }
  return upstreams
}

/** `HTTP/1.1 200 OK` or `200`, fields, an empty line, and the body: bytes as they are. */
function answerInFile(path: string, content: Uint8Array): HttpCallResult {
  const text = Buffer.from(content).toString('latin1')
  const match = /^(?:HTTP\/[\d.]+ )?([1-5]\d\d)(?: [^\r\n]*)?\r?\n((?:[^\r\n]+\r?\n)*)(?:\r?\n([^]*))?$/.exec(
    `${text}\n`,
  )
  if (match === null) throw usage(plugins, `${path} is no answer: status, fields, an empty line and the body`)
  const [, status = '', lines = '', body = '\n'] = match
  const fields = lines.split(/\r?\n/).filter(line => line !== '')
  const headers = HeaderMap.of([[':status', status], ...fields.map(line => fieldOf(line, path))])
  return { kind: 'response', headers, body: Buffer.from(body.slice(0, -1), 'latin1'), trailers: new HeaderMap() }
}

function answerOf(answer: string): HttpCallResult {
  if (answer === 'failed') return { kind: 'failed', detail: 'as --upstream says' }
  const match = /^([1-5]\d\d)(?: (.*))?$/s.exec(answer)
  if (match === null)
    throw usage(plugins, `--upstream is NAME=STATUS BODY, NAME=@FILE or NAME=failed, not ${JSON.stringify(answer)}`)
  const headers = HeaderMap.of([[':status', match[1] ?? '']])
  return { kind: 'response', headers, body: Buffer.from(match[2] ?? ''), trailers: new HeaderMap() }
}

function fieldsOf(call: Call, flag: string): readonly HeaderField[] {
  return (call.flags.get(flag) ?? []).map(text => fieldOf(text, `--${flag}`))
}

function fieldOf(text: string, where: string): HeaderField {
  const match = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([^\r\n\0]*)$/.exec(text)
  if (match === null) throw usage(plugins, `${where} is 'name: value', not ${JSON.stringify(text)}`)
  return [match[1] ?? '', match[2] ?? '']
}

function assignments(call: Call, flag: string): readonly (readonly [string, string])[] {
  return (call.flags.get(flag) ?? []).map(text => {
    const equals = text.indexOf('=')
    if (equals < 1) throw usage(plugins, `--${flag} is NAME=VALUE, not ${JSON.stringify(text)}`)
    return [text.slice(0, equals), text.slice(equals + 1)]
  })
}

function propertiesOf(call: Call): ReadonlyMap<string, PropertyValue> {
  const properties = new Map<string, PropertyValue>()
  for (const text of call.flags.get('property') ?? []) {
    const property = readProperty(text)
    if ('problem' in property) throw usage(plugins, `--property ${property.problem}`)
    properties.set(...property)
  }
  return properties
}

async function textOf(call: Call, flag: string): Promise<Uint8Array> {
  return bytesOf(flagValue(call, flag) ?? '')
}

async function bytesOf(text: string): Promise<Uint8Array> {
  return text.startsWith('@') ? contentOf(text.slice(1)) : Buffer.from(text, 'utf8')
}

async function contentOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new MeshError('MESH_USAGE', `${path} can't be read: ${messageOf(error)}`, { source: 'config', cause: error })
  }
}

function show(run: OfflineRun, call: Call, io: CliIo): void {
  if (wantsJson(call)) printJson(io, runAsJson(run))
  else io.out(`${renderRun(run, paintOf(call, io))}\n`)
}
