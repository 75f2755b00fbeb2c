import { readFile } from 'node:fs/promises'
import inspector from 'node:inspector'
import { dirname, join } from 'node:path'
import { MeshError, messageOf, systemClock } from '../../core/index.ts'
import type { Logger } from '../../core/index.ts'
import { sourceMapUrlOf, withSourceMapUrl } from '../../wasm/index.ts'
import { formatAddress } from '../settings.ts'
import type { SocketAddress } from '../settings.ts'

/** How long workers may take to let go of a breakpoint, each of which answers at once or never. */
const resumeMs = 2_000

/**
 * Opens the DevTools protocol of this process, with its workers as `NodeWorker`s.
 *
 * @throws MeshError MESH_USAGE if the address can't be had
 */
export function openInspector(address: SocketAddress, logger: Logger): AsyncDisposable {
  inspector.open(address.port, address.host)
  const url = inspector.url()
  // Node says on standard error why it could not listen, and goes on without.
  if (url === undefined) {
    throw new MeshError('MESH_USAGE', `--inspect-plugins can't listen on ${formatAddress(address)}`, {
      source: 'config',
      hint: 'Another process may have the port: --inspect-plugins=127.0.0.1:0 takes a free one.',
    })
  }
  logger.warn('plugins can be debugged, and have no limits', { url })
  return {
    async [Symbol.asyncDispose]() {
      await resumeWorkers()
      inspector.close()
    },
  }
}

/** A worker that stands at a breakpoint neither drains nor ends: a debugger of our own lets all of them go on, for good. */
async function resumeWorkers(): Promise<void> {
  const session = new inspector.Session()
  session.connect()
  const steps = [
    { id: 1, method: 'Debugger.enable' },
    { id: 2, method: 'Debugger.setSkipAllPauses', params: { skip: true } },
    { id: 3, method: 'Debugger.resume' },
  ]
  const waiting = new Set<string>()
  const { promise, resolve } = Promise.withResolvers<void>()
  session.on('NodeWorker.attachedToWorker', ({ params: { sessionId } }) => {
    waiting.add(sessionId)
    for (const step of steps)
      session.post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify(step) }, () => {})
  })
  session.on('NodeWorker.receivedMessageFromWorker', ({ params: { sessionId, message } }) => {
    if ((JSON.parse(message) as { id?: number }).id !== steps.length) return
    waiting.delete(sessionId)
    if (waiting.size === 0) resolve()
  })
  session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, () => {
    if (waiting.size === 0) resolve()
  })
  // A plugin may run without an end, since nothing bounds it here.
  using _timer = systemClock.after(resumeMs, resolve)
  await promise
  session.disconnect()
}

/**
 * Puts the source map that lies beside the file of a module into the module:
 * debuggers can't follow a URL that is relative to no file they know.
 */
export function sourceMapsIn(logger: Logger): (bytes: Uint8Array, url: string) => Promise<Uint8Array> {
  return async (bytes, url) => {
    const map = sourceMapUrlOf(bytes)
    if (map === undefined || !url.startsWith('file:') || /^[a-z]+:/i.test(map)) return bytes
    try {
      const text = await readFile(join(dirname(url.slice('file://'.length)), map), 'base64')
      return withSourceMapUrl(bytes, `data:application/json;base64,${text}`)
    } catch (error) {
      logger.warn('a plugin is debugged without its source map', { url, error: messageOf(error) })
      return bytes
    }
  }
}
