/** The page of error codes, from every place that makes a MeshError or an error answer of the admin pages. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import type { Argument } from 'oxc-parser'
import { filesBelow, root } from '../files.ts'
import { table } from './tables.ts'

interface Use {
  readonly code: string
  readonly message: string
  readonly room: string
}

/** For codes whose text is put together elsewhere. */
const otherwise: Readonly<Record<string, string>> = {
  MESH_CONFIG_PATH: 'a path that was given with -f does not exist, or holds no resource',
  MESH_EBPF_CLOSED: 'a map, program, link or ring buffer is used after it was closed',
  MESH_EBPF_MAP_DIFFERS: 'a pinned map is not the one that the object asks for; every difference is listed',
  MESH_EBPF_OBJECT: 'a BPF object file is not valid, or needs what the loader does not know',
  MESH_EBPF_VALUE: 'a key or value does not fit the type of its map',
  MESH_EXPLAIN_REQUEST: 'a parameter of /explain is missing or wrong',
  MESH_JOIN: 'a program cannot join the mesh, or has not joined it; the message says why',
  MESH_KEEPER: 'the keeper of sockets cannot be started, does not answer, or is led by somebody else',
  MESH_METRIC_MISUSED: 'a metric is used as another type or with other labels than its table says',
  MESH_PLUGIN_FETCH: 'the module of a plugin cannot be had, or is not the one that was asked for; the message says why',
  MESH_PLUGIN_INVALID: 'a file is no WebAssembly module, or none that a plugin can be; the message says why',
  MESH_PLUGIN_START: 'a plugin does not start, or refuses its configuration; the message says in which step',
  MESH_POLICY_CASES: 'the file of heddle policy eval is no list of cases; every mistake is listed with its path',
  MESH_POLICY_QUESTION: 'a question of heddle policy names somebody or a port that is not there',
  MESH_RUN_PROGRAM: 'the program of heddle run could not be started',
  MESH_UPSTREAM_TLS: 'an endpoint and its BackendTLSPolicy do not agree on TLS; the message says on what',
  MESH_USAGE: 'the command line or a setting is wrong',
  MESH_WORKLOAD_REQUEST: 'the workload that heddle run registers is not valid',
}

export async function errorsPage(): Promise<string> {
  const uses: Use[] = []
  for (const path of await filesBelow('src', '.ts')) {
    if (/\.test\.ts$|\/(testing|contract|fake-[\w-]+)\.ts$/.test(path)) continue
    uses.push(...usesIn(path, await readFile(join(root, path), 'utf8')))
  }
  const rows = [...Map.groupBy(uses, ({ code }) => code)]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, group]) => {
      const messages = [...new Set(group.map(({ message }) => message))].filter(message => message !== '')
      const says = otherwise[code] ?? messages.join('; ')
      if (says === '') throw new Error(`${code} needs a sentence in scripts/pages/errors.ts`)
      return [`\`${code}\``, [...new Set(group.map(({ room }) => room))].sort().join(', '), says]
    })
  return `# Error codes

Codes are stable; match by them, never by the text. \`…\` stands for what differs from case to case. Why a request was
refused is told by a reason instead: see [responses](responses.md).

${table(['Code', 'From', 'Says'], rows)}
`
}

function usesIn(path: string, text: string): readonly Use[] {
  const found: Use[] = []
  const room = path.split('/')[1] ?? ''
  const add = (args: readonly Argument[]): void => {
    const at = args.findIndex(
      arg => arg.type === 'Literal' && typeof arg.value === 'string' && /^MESH_\w+$/.test(arg.value),
    )
    const [code, message] = [args[at], args[at + 1]]
    if (code?.type !== 'Literal') return
    found.push({ code: String(code.value), message: textOf(message), room })
  }
  new Visitor({
    NewExpression: node => add(node.arguments),
    CallExpression: node => add(node.arguments),
  }).visit(parseSync(path, text).program)
  return found
}

function textOf(node: Argument | undefined): string {
  if (node?.type === 'Literal' && typeof node.value === 'string') return node.value
  if (node?.type !== 'TemplateLiteral') return ''
  return node.quasis.map(part => part.value.cooked ?? '').join('…')
}
