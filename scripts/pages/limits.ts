/** The page of limits: constants with the reasons that stand beside them in the sources. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  defaultChunkLimits,
  defaultHeadLimits,
  defaultHttp2Limits,
  defaultHttp2Settings,
} from '../../src/codec/index.ts'
import { defaultNamesLimits } from '../../src/names/index.ts'
import { defaultLimits } from '../../src/proxy/index.ts'
import { defaultPluginLimits } from '../../src/wasm/index.ts'
import { root } from '../files.ts'
import { table } from './tables.ts'

/** Text of the comment before each member of an interface. */
function memberComments(source: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const match of source.matchAll(/\/\*\*((?:(?!\*\/).)*)\*\/\s*readonly (\w+)/gs)) {
    found.set(match[2] ?? '', plainText(match[1] ?? ''))
  }
  return found
}

/** Items of a list in a comment: `- \`name\`, \`other\`: reason`. */
function listedComments(source: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const comment of source.matchAll(/\/\*\*(.*?)\*\//gs)) {
    for (const item of plainText(comment[1] ?? '', '\n').split(/\n(?=- )/)) {
      const match = /^- ((?:`\w+`,? ?)+): (.*)$/s.exec(item)
      if (match === null) continue
      for (const name of (match[1] ?? '').matchAll(/\w+/g)) found.set(name[0], (match[2] ?? '').replaceAll('\n', ' '))
    }
  }
  return found
}

function plainText(comment: string, joint = ' '): string {
  const lines = comment.split('\n').map(line => line.replace(/^\s*\* ?/, '').trim())
  return lines
    .filter(line => line !== '')
    .join(joint)
    .trim()
}

function rowsOf(limits: object, reasons: ReadonlyMap<string, string>): readonly (readonly string[])[] {
  return Object.entries(limits as Record<string, number>).map(([name, value], index) => {
    const reason = reasons.get(name)
    if (reason === undefined && index === 0) throw new Error(`the limit ${name} has no reason`)
    return [`\`${name}\``, formatValue(name, value), capitalised(reason ?? 'the same reason as the one above.')]
  })
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function formatValue(name: string, value: number): string {
  if (name.endsWith('Ms')) return value % 1000 === 0 ? `${value / 1000} s` : `${value} ms`
  if (name.endsWith('Bytes') && value % 1024 === 0) {
    return value % 1_048_576 === 0 ? `${value / 1_048_576} MiB` : `${value / 1024} KiB`
  }
  return value.toLocaleString('en')
}

export async function limitsPage(): Promise<string> {
  const proxySource = await readFile(join(root, 'src/proxy/limits.ts'), 'utf8')
  const codecSource = await readFile(join(root, 'src/codec/http1/limits.ts'), 'utf8')
  const http2Source = await readFile(join(root, 'src/codec/http2/limits.ts'), 'utf8')
  const http2Reasons = listedComments(http2Source)
  const { headerTableBytes, maxConcurrentStreams, streamWindowBytes, connectionWindowBytes, frameBytes } =
    defaultHttp2Settings
  const announced = { headerTableBytes, maxConcurrentStreams, streamWindowBytes, connectionWindowBytes, frameBytes }
  const namesSource = await readFile(join(root, 'src/names/limits.ts'), 'utf8')
  const pluginSource = await readFile(join(root, 'src/wasm/plugins/limits.ts'), 'utf8')
  const codecReasons = listedComments(codecSource)
  const head = ['Limit', 'Value', 'Why']
  return `# Limits

Everything that a peer can make Heddle hold or do is bounded. These bounds cannot be set; those of a backend
(connections, pending requests, requests, retries) can, by a BackendPolicy ([resources](resources.md)).

## Connections and exchanges

${table(head, rowsOf(defaultLimits, memberComments(proxySource)))}

## Message heads

A message that exceeds one is refused: 431, or 414 for the target.

${table(head, rowsOf(defaultHeadLimits, codecReasons))}

## Chunked bodies

${table(head, rowsOf(defaultChunkLimits, codecReasons))}

## HTTP/2

What a client announces by SETTINGS is taken; what we announce to it:

${table(head, rowsOf(announced, http2Reasons))}

A peer that exceeds one of these gets GOAWAY with ENHANCE_YOUR_CALM, or 431 for \`fieldSectionBytes\` and
\`fieldCount\`:

${table(head, rowsOf(defaultHttp2Limits, http2Reasons))}

## Names

${table(head, rowsOf(defaultNamesLimits, memberComments(namesSource)))}

## Plugins

Memory ends at 64 MiB; these are besides:

${table(head, rowsOf(defaultPluginLimits, memberComments(pluginSource)))}
`
}
