import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { output, pinned } from '../processes.ts'

export interface Load {
  readonly origin: string
  readonly paths: readonly string[]
  readonly connections: number
  readonly seconds: number
  /** Every request on a connection of its own. */
  readonly closes: boolean
}

export interface LoadResult {
  readonly requests: number
  readonly perSecond: number
  /** Answers other than 2xx and failed connections. */
  readonly errors: number
}

/** Like those of a browser or an HTTP library; nothing that switches a feature on. */
export const ordinaryHeaders: readonly (readonly [string, string])[] = [
  ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'],
  ['Accept', 'text/html,application/json;q=0.9,*/*;q=0.8'],
  ['Accept-Language', 'en-GB,en;q=0.9'],
  ['Accept-Encoding', 'gzip, deflate, br'],
]

/** As fast as the other side allows, by wrk with one thread. */
export async function loadWithWrk(folder: string, load: Load): Promise<LoadResult> {
  const headers = [...ordinaryHeaders, ...(load.closes ? [['Connection', 'close'] as const] : [])]
  const script = join(folder, 'wrk.lua')
  await writeFile(script, lua(load.paths, headers))
  const command = ['wrk', '-t1', `-c${load.connections}`, `-d${load.seconds}s`, '-s', script, load.origin]
  const text = await output(pinned('load', command))
  const line = /^BENCH (\d+) (\d+) (\d+)$/m.exec(text)
  if (line === null) throw new Error(`wrk said: ${text}`)
  const [requests = 0, durationUs = 0, errors = 0] = line.slice(1).map(Number)
  return { requests, perSecond: requests / (durationUs / 1e6), errors }
}

/** Requests are formatted once; the paths take turns. */
function lua(paths: readonly string[], headers: readonly (readonly [string, string])[]): string {
  return `
local paths = { ${paths.map(path => JSON.stringify(path)).join(', ')} }
local headers = { ${headers.map(([name, value]) => `[${JSON.stringify(name)}] = ${JSON.stringify(value)}`).join(', ')} }
local requests, turn = {}, 0
function init() for i, path in ipairs(paths) do requests[i] = wrk.format('GET', path, headers) end end
function request() turn = turn % #requests + 1; return requests[turn] end
function done(summary)
  local e = summary.errors
  io.write(string.format('BENCH %d %d %d\\n', summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout))
end
`
}
