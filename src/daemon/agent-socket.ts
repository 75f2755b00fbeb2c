import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import path from 'node:path'
import { MeshError, messageOf, nodeHttp } from '../core/index.ts'

/** A running agent answers within this time, or its socket counts as not ours to take. */
const answerMs = 2_000

/**
 * Listens on the agent's Unix socket. Whoever can open it controls the agent, so
 * its directory is made for the owner alone (0700), the socket is 0600, and a
 * directory of somebody else is refused. A socket that nobody answers on is left
 * over from an agent that was killed, and is replaced.
 */
export async function claimSocket(server: Server, socketPath: string): Promise<void> {
  prepareDirectory(path.dirname(socketPath))
  try {
    await listenPrivately(server, socketPath)
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw socketError(socketPath, error)
    const pid = await runningAgent(socketPath)
    if (pid !== undefined) {
      throw new MeshError(
        'MESH_AGENT_RUNNING',
        `an agent already runs on ${socketPath}${pid === 0 ? '' : ` (pid ${pid})`}`,
        {
          source: 'config',
          hint: 'stop it, or give this one a socket of its own with --socket-path and --admin-address',
        },
      )
    }
    // connect(2) refuses a regular file just as it does a stale socket.
    if (lstatSync(socketPath, { throwIfNoEntry: false })?.isSocket() === false) {
      throw socketError(socketPath, new Error('something that is no socket is there'))
    }
    rmSync(socketPath, { force: true })
    await listenPrivately(server, socketPath).catch((second: unknown) => {
      throw socketError(socketPath, second)
    })
  }
}

function prepareDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const { uid } = lstatSync(directory)
    const own = process.getuid?.() ?? uid
    if (uid !== own && uid !== 0) {
      throw new Error(`the directory belongs to user ${uid}, who could replace the socket`)
    }
  } catch (error) {
    throw socketError(directory, error)
  }
}

async function listenPrivately(server: Server, socketPath: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.once('listening', resolve)
  // bind(2) happens within listen(), so that the socket never exists with wider rights.
  const before = process.umask(0o177)
  try {
    server.listen(socketPath)
  } finally {
    process.umask(before)
  }
  try {
    await promise
  } finally {
    server.off('error', reject)
    server.off('listening', resolve)
  }
  chmodSync(socketPath, 0o600)
}

/** Process id of the agent that answers there; 0 when something answers that does not say; undefined when nobody does. */
function runningAgent(socketPath: string): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  const request = nodeHttp.get(
    { socketPath, path: '/healthz', headers: { host: 'localhost' }, timeout: answerMs, agent: false },
    response => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        body += part
      })
      response.on('end', () => resolve(pidOf(body)))
      response.on('error', () => resolve(0))
    },
  )
  request.on('timeout', () => {
    resolve(0)
    request.destroy()
  })
  // ENOTSOCK and the like: something is there that is not a stale socket.
  request.on('error', error =>
    resolve(errorCode(error) === 'ECONNREFUSED' || errorCode(error) === 'ENOENT' ? undefined : 0),
  )
  return promise
}

function pidOf(body: string): number {
  try {
    const answer: unknown = JSON.parse(body)
    if (typeof answer === 'object' && answer !== null && 'pid' in answer && typeof answer.pid === 'number') {
      return answer.pid
    }
  } catch {
    // Not an agent's answer; somebody is there all the same.
  }
  return 0
}

function socketError(where: string, error: unknown): MeshError {
  return new MeshError('MESH_AGENT_SOCKET', `cannot open the agent's socket at ${where}: ${messageOf(error)}`, {
    source: 'config',
    hint: 'set socketPath (--socket-path, HEDDLE_SOCKET_PATH) to a place of your own',
    cause: error,
  })
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
