import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { renameSync, rmSync } from 'node:fs'
import { MeshError } from '../../core/index.ts'
import { NativeCalls } from '../syscall.ts'
import { KeeperClient } from './keeper-client.ts'
import { keeperVersion, keptKinds } from './protocol.ts'

export interface OpenKeeperOptions {
  readonly path: string
  /** How long connections wait in sockets that nobody leads. */
  readonly waitSeconds: number
}

/** A heap of a few megabytes: names and numbers are all that is in it. */
const heap = ['--max-old-space-size=16', '--max-semi-space-size=1', '--v8-pool-size=0']

/** Node's arguments for a keeper. */
export function keeperCommand({ path, waitSeconds }: OpenKeeperOptions): readonly string[] {
  // It stands beside this file under the same kind of name, built or not; types are stripped by WebAssembly.
  const isBuilt = !import.meta.url.endsWith('.ts')
  const script = new URL(isBuilt ? './keeper-process.js' : './keeper-process.ts', import.meta.url).pathname
  const flags = [
    '--experimental-ffi',
    '--disable-warning=ExperimentalWarning',
    ...heap,
    ...(isBuilt ? ['--jitless'] : []),
  ]
  return [...flags, script, path, String(waitSeconds)]
}

/**
 * Leads the keeper at that path: the one that is there, or a new one, which outlives this process. One of another
 * version is replaced: the new one holds everything before the old one ends.
 *
 * @throws MeshError MESH_KEEPER, MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL
 */
export async function openKeeper(options: OpenKeeperOptions): Promise<KeeperClient> {
  const there = KeeperClient.connect(options.path)
  if (there === undefined) return await startKeeper(options)
  try {
    if (there.lead().version === keeperVersion) return there
  } catch (error) {
    there[Symbol.dispose]()
    throw error
  }
  using old = there
  // It is reached by connections that are open, not by its name.
  renameSync(options.path, `${options.path}.old`)
  const next = await startKeeper(options)
  const all = old.takeAll()
  try {
    for (const kind of keptKinds) {
      next.keep(
        kind,
        all.filter(each => each.kind === kind),
      )
    }
    old.end()
    rmSync(`${options.path}.old`, { force: true })
    return next
  } catch (error) {
    next[Symbol.dispose]()
    throw error
  } finally {
    closeAll(all.map(({ fd }) => fd))
  }
}

/** Closes descriptors that came from a keeper. */
export function closeAll(fds: readonly number[]): void {
  using native = new NativeCalls({ close: { return: 'int32', arguments: ['int32'] } })
  for (const fd of fds) native.call.close(fd)
}

async function startKeeper(options: OpenKeeperOptions): Promise<KeeperClient> {
  const child = spawn(process.execPath, keeperCommand(options), {
    // A session of its own, so that neither Ctrl-C nor the agent's end reach it.
    detached: true,
    cwd: '/',
    env: {},
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  const ended = once(child, 'exit').then(([code]) => `it ended with ${String(code)}`)
  const started = once(child.stdout, 'data').then(() => undefined)
  const failure = await Promise.race([started, ended]).catch((error: unknown) => String(error))
  child.stdout.destroy()
  child.stderr.destroy()
  child.unref()
  const client = failure === undefined ? KeeperClient.connect(options.path) : undefined
  if (client === undefined) {
    throw new MeshError('MESH_KEEPER', `no keeper could be started: ${complaint.trim() || failure || 'it is gone'}`, {
      source: 'kernel',
    })
  }
  client.lead()
  return client
}
