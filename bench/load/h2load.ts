import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { output, pinned } from '../processes.ts'
import type { LoadResult } from './wrk.ts'

export interface Http2Load {
  readonly origin: string
  readonly paths: readonly string[]
  readonly connections: number
  /** Requests under way on each connection. */
  readonly streams: number
  readonly seconds: number
  readonly headers: readonly (readonly [string, string])[]
  /** Sent by POST. */
  readonly body?: Buffer
}

/** As fast as the other side allows, by h2load with one thread; by prior knowledge, or ALPN over TLS. */
export async function loadWithH2load(folder: string, load: Http2Load): Promise<LoadResult> {
  const list = join(folder, 'h2load.urls')
  await writeFile(list, load.paths.map(path => `${load.origin}${path}\n`).join(''))
  const shape = [`-c${load.connections}`, `-m${load.streams}`, '-t1', `-D${load.seconds}`, `--input-file=${list}`]
  const headers = load.headers.flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const data = join(folder, 'h2load.body')
  if (load.body !== undefined) await writeFile(data, load.body)
  const body = load.body === undefined ? [] : ['-d', data]
  const text = await output(pinned('load', ['h2load', ...shape, ...headers, ...body]))
  const perSecond = Number(/^finished in .*?, ([\d.]+) req\/s/m.exec(text)?.[1])
  const counts = /^requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored/m.exec(text)
  if (counts === null || Number.isNaN(perSecond)) throw new Error(`h2load said: ${text}`)
  const [requests = 0, , failed = 0, errored = 0] = counts.slice(1).map(Number)
  return { requests, perSecond, errors: Math.max(failed, errored) }
}
