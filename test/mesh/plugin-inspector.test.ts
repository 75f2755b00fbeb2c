import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync } from 'node:fs'
import { SourceMap } from 'node:module'
import type { SourceMapPayload } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { WebSocket } from 'ws'
import { root } from '../../scripts/files.ts'
import { freePort } from '../support/ports.ts'
import { TestMesh } from './agent-process.ts'
import { answering, gateway, route, service, workload } from './resources.ts'

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: Readonly<Record<string, unknown>>
}

interface Script {
  readonly worker: string
  readonly scriptId: string
  readonly url: string
  readonly sourceMapURL: string
  readonly debugSymbols?: readonly { readonly type: string }[]
}

/** A debugger: a client of the DevTools protocol that looks into all workers. */
class Debugger {
  readonly scripts: Script[] = []
  readonly #socket: WebSocket
  readonly #waiting = new Map<string, (result: Readonly<Record<string, unknown>>) => void>()
  readonly #paused: ((worker: string, params: Readonly<Record<string, unknown>>) => void)[] = []
  #nextId = 1

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data: Buffer) => this.#take('', JSON.parse(data.toString()) as Message))
  }

  static async connect(t: TestContext, port: number): Promise<Debugger> {
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as readonly {
      webSocketDebuggerUrl: string
    }[]
    const socket = new WebSocket(targets[0]?.webSocketDebuggerUrl ?? '')
    t.after(() => socket.terminate())
    await new Promise<void>((resolve, reject) => socket.on('open', resolve).on('error', reject))
    const client = new Debugger(socket)
    await client.call('', 'NodeWorker.enable', { waitForDebuggerOnStart: false })
    return client
  }

  /** @param worker  a session, or '' for the main thread */
  call(worker: string, method: string, params: object = {}): Promise<Readonly<Record<string, unknown>>> {
    const id = this.#nextId++
    const { promise, resolve } = Promise.withResolvers<Readonly<Record<string, unknown>>>()
    this.#waiting.set(`${worker} ${id}`, resolve)
    const message = JSON.stringify({ id, method, params })
    if (worker === '') this.#socket.send(message)
    else void this.call('', 'NodeWorker.sendMessageToWorker', { sessionId: worker, message })
    return promise
  }

  paused(): Promise<{ worker: string; params: Readonly<Record<string, unknown>> }> {
    return new Promise(resolve => this.#paused.push((worker, params) => resolve({ worker, params })))
  }

  #take(worker: string, { id, method, params = {}, result = {} }: Message): void {
    if (id !== undefined) return this.#waiting.get(`${worker} ${id}`)?.(result)
    const session = String(params['sessionId'])
    if (method === 'NodeWorker.attachedToWorker') void this.call(session, 'Debugger.enable')
    if (method === 'NodeWorker.receivedMessageFromWorker')
      this.#take(session, JSON.parse(String(params['message'])) as Message)
    if (method === 'Debugger.scriptParsed') this.scripts.push({ ...(params as unknown as Script), worker })
    if (method === 'Debugger.paused') this.#paused.shift()?.(worker, params)
  }
}

const plugin = (file: string): string => `
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: debugged, namespace: shop}
spec: {url: 'file://plugins/${file}'}
`

async function inspected(
  t: TestContext,
  files: readonly string[],
): Promise<{ mesh: TestMesh; agent: ChildProcess; client: Debugger; scripts: readonly Script[] }> {
  const mesh = await TestMesh.create(t)
  const folder = path.join(mesh.directory, 'mesh', 'plugins')
  mkdirSync(folder)
  for (const file of files) copyFileSync(path.join(root, 'test/guests', file), path.join(folder, file))
  const backend = service('a') + workload('a-1', 'a', await freePort()) + route([['a', 1]])
  mesh.write('mesh.yaml', gateway(mesh.gatewayPort) + backend)
  mesh.write('plugin.yaml', plugin(files[0] ?? ''))
  const port = await freePort()
  const agent = await mesh.up({ flags: [`--inspect-plugins=127.0.0.1:${port}`] })
  await answering(mesh, '/', /^a-1/)
  const client = await Debugger.connect(t, port)
  const modules = (): readonly Script[] =>
    client.scripts.filter(({ url, sourceMapURL, debugSymbols }) =>
      url.startsWith('wasm://')
        ? sourceMapURL !== '' || (debugSymbols ?? []).some(({ type }) => type !== 'None')
        : false,
    )
  // One in each of the two workers.
  await mesh.until(async () => modules().length === 2)
  return { mesh, agent, client, scripts: modules() }
}

/** Sets breakpoints in both workers, and sends a request into one. @returns where it stands, and its answer to come */
async function stopAt(
  { mesh, client, scripts }: Awaited<ReturnType<typeof inspected>>,
  columns: readonly number[],
): Promise<{ readonly worker: string; readonly functionName: string; readonly answer: ReturnType<TestMesh['get']> }> {
  for (const { worker, scriptId } of scripts) {
    for (const columnNumber of columns) {
      const location = { scriptId, lineNumber: 0, columnNumber }
      const { breakpointId } = await client.call(worker, 'Debugger.setBreakpoint', { location })
      assert.equal(typeof breakpointId, 'string')
    }
  }
  const stopped = client.paused()
  const answer = mesh.get('/')
  const { worker, params } = await stopped
  const [frame] = params['callFrames'] as readonly { location: { columnNumber: number }; functionName: string }[]
  assert.ok(frame !== undefined && columns.includes(frame.location.columnNumber))
  return { worker, functionName: frame.functionName, answer }
}

test('a debugger stops a plugin at a line of its source, by its source map, and lets it go on', async t => {
  const all = await inspected(t, ['assembly-debugged.wasm', 'assembly-debugged.wasm.map'])
  const data = /^data:application\/json;base64,(.*)$/.exec(all.scripts[0]?.sourceMapURL ?? '')?.[1]
  assert.ok(data, 'the map came with the module')
  const payload = JSON.parse(Buffer.from(data, 'base64').toString()) as SourceMapPayload
  const source = payload.sources.findIndex(name => name.endsWith('debugged.ts'))
  const line = (payload.sourcesContent[source] ?? '').split('\n').findIndex(text => text.includes('// here'))
  const map = new SourceMap(payload)
  const at = (column: number): { originalLine?: number; originalSource?: string } => map.findEntry(0, column)
  const column = Array.from({ length: 2_000 }, (_, index) => index).find(index => {
    const { originalLine, originalSource } = at(index)
    return originalLine === line && originalSource?.endsWith('debugged.ts') === true
  })
  assert.ok(column !== undefined && line > 0)
  const { worker, functionName, answer } = await stopAt(all, [column])
  assert.match(functionName, /proxy_on_request_headers/)
  await all.client.call(worker, 'Debugger.resume')
  assert.equal((await answer).status, 200)
})

test('a module with DWARF comes to the debugger with it, and stops in its callback until the agent ends', async t => {
  const all = await inspected(t, ['debugged.wasm'])
  assert.deepEqual(
    all.scripts.map(({ debugSymbols }) => debugSymbols?.map(({ type }) => type)),
    [['EmbeddedDWARF'], ['EmbeddedDWARF']],
  )
  const [script] = all.scripts
  const { scriptId, worker = '' } = script ?? {}
  const { functionBodyOffsets } = await all.client.call(worker, 'Debugger.disassembleWasmModule', { scriptId })
  const starts = (functionBodyOffsets as readonly number[]).filter((_, index) => index % 2 === 0)
  const columns: number[] = []
  for (const columnNumber of starts) {
    const start = { scriptId, lineNumber: 0, columnNumber }
    const { locations } = await all.client.call(worker, 'Debugger.getPossibleBreakpoints', { start })
    columns.push((locations as readonly { columnNumber: number }[])[0]?.columnNumber ?? 0)
  }
  const { functionName, answer } = await stopAt(all, columns)
  assert.match(functionName, /proxy_on_/)
  // An agent that ends does not wait for the debugger.
  const ended = once(all.agent, 'exit')
  all.agent.kill('SIGTERM')
  assert.equal((await answer).status, 200)
  assert.deepEqual(await ended, [0, null])
})
