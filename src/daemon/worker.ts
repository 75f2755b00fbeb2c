/**
 * The entry of a worker thread: one proxy, its metrics and its access log. It
 * does what the main thread says, in order, and has no will of its own.
 */
import { hostname } from 'node:os'
import { parentPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { MeshError, messageOf, systemClock } from '../core/index.ts'
import type { LogFields, Logger, LogLevel } from '../core/index.ts'
import { applyDelta } from '../model/index.ts'
import type { MeshSnapshot } from '../model/index.ts'
import { MetricRegistry, openAccessLog } from '../observe/index.ts'
import type { MetricsState } from '../observe/index.ts'
import { AccessGate, Proxy } from '../proxy/index.ts'
import { offlineServices, ThreadSharedData, ThreadSharedQueues } from '../wasm/index.ts'
import { CallerClient } from './callers/caller-client.ts'
import { KernelCallers } from './callers/kernel-callers.ts'
import type { SocketTable } from './handover/listener-sockets.ts'
import { WorkerSockets } from './handover/worker-sockets.ts'
import { nodeProperty } from './plugins/node-property.ts'
import { PluginCallouts } from './plugins/plugin-callouts.ts'
import { PluginMetricsReport } from './plugins/plugin-metrics.ts'
import { WorkerPlugins } from './plugins/worker-plugins.ts'
import { isSameMetrics } from './same-metrics.ts'
import { keepSeriesAfter } from './stale-series.ts'
import { openTransport } from './transport.ts'
import type { FromWorker, GivenConnection, RateLimitChanges, ToWorker, WorkerStart } from './worker-messages.ts'

/** Lines for followers of the access log are sent together, at most this much later. */
const lineBatchMs = 100
/** A follower that can't keep up loses lines; what waits here stays bounded. */
const maxBatchLines = 5_000

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** What a snapshot needs beside itself to come into force. */
interface Needs {
  readonly limits: RateLimitChanges
  readonly modules: ReadonlyMap<string, Uint8Array>
  readonly table: SocketTable | undefined
}

const pluginLogLevels = { debug: 'debug', info: 'info', warn: 'warn', error: 'error' } as const
const loggerLevels = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  error: 'error',
  critical: 'error',
} as const

function runWorker(port: MessagePort, start: WorkerStart): void {
  const { options } = start
  const send = (message: FromWorker): void => port.postMessage(message)
  const logger = forwardingLogger(options.logLevel, send)
  const meter = new MetricRegistry()
  const accessLog = openAccessLog({
    target: options.accessLog,
    format: options.accessLogFormat,
    clock: systemClock,
    meter,
    logger,
  })
  const { zone, workers } = options
  const sockets = openTransport(start.descriptors)
  const gate = start.pins === undefined ? undefined : new AccessGate()
  const inKernel =
    start.pins === undefined || gate === undefined
      ? undefined
      : new KernelCallers({ pins: start.pins, gate, meter, logger })
  const kept = start.kept === undefined ? undefined : new WorkerSockets(start.kept)
  const callers = new CallerClient({
    clock: systemClock,
    logger,
    meter,
    send: questions => send({ kind: 'callers-asked', questions }),
  })
  const queues = new ThreadSharedQueues(new ThreadSharedData(start.pluginQueues), 'queues of plugins')
  const plugins = new WorkerPlugins(
    offlineServices({
      logLevel: pluginLogLevels[options.logLevel],
      sharedData: new ThreadSharedData(start.pluginData),
      queues,
      callouts: new PluginCallouts({ clock: systemClock, sender: () => proxy, backends: () => inUse.backends }),
      log: (level, plugin, text) => logger[loggerLevels[level]](text, { plugin }),
      property: nodeProperty(hostname()),
    }),
    logger,
    { areInspected: options.areInspected },
  )
  const pluginMetrics = new PluginMetricsReport(meter)
  const proxy = new Proxy({
    plugins,
    callers: inKernel ?? callers,
    ...(gate === undefined ? {} : { gate }),
    sharedNowMs: machineNowMs,
    meter,
    accessLog,
    logger,
    clock: systemClock,
    zone,
    workers,
    ...(sockets === undefined ? {} : { transport: sockets.transport }),
    ...(sockets?.tls === undefined ? {} : { tls: sockets.tls }),
    ...(kept === undefined ? {} : { kept }),
  })

  proxy.setTicketKeys(start.ticketKeys)

  let snapshot = start.snapshot
  let inUse = snapshot
  let lines: string[] = []
  const tap = (isOn: boolean): void => {
    accessLog.onLine = isOn
      ? line => {
          if (lines.length === 0) {
            systemClock
              .after(lineBatchMs, () => {
                send({ kind: 'lines', lines })
                lines = []
              })
              .unref()
          }
          if (lines.length < maxBatchLines) lines.push(line)
        }
      : undefined
  }

  /** Snapshots come in force one after the other, so that listeners open and close in order. */
  let applying = Promise.resolve()
  const inForce = async (
    before: Promise<void>,
    next: MeshSnapshot,
    { limits, modules, table }: Needs,
  ): Promise<void> => {
    await before
    if (table !== undefined) kept?.update(table)
    proxy.shareRateLimits(limits.added, limits.removed)
    await plugins.update(next.plugins, modules)
    inUse = next
    const failures = await proxy.apply(next)
    plugins.prune(next.plugins)
    send({ kind: 'applied', version: next.version, failures })
  }
  const apply = (needs: Needs): void => {
    const next = snapshot
    applying = inForce(applying, next, needs)
    // A proxy that can't apply a snapshot is broken: the thread ends and is replaced.
    applying.catch((error: unknown) => {
      logger.error('a configuration could not be applied', { version: next.version, error: messageOf(error) })
      process.exit(1)
    })
  }

  const takeOver = ({ listener, descriptor, remote, early }: GivenConnection): void => {
    try {
      proxy.takeOver({ listener, descriptor, remote, early: Buffer.from(early) })
    } catch (error) {
      logger.error('a connection of the path in the kernel could not be taken over', { error: messageOf(error) })
    }
  }

  const drain = async (deadlineMs: number, handsOver: boolean): Promise<void> => {
    await applying
    if (!handsOver) kept?.update(new Map())
    const { finished, cut } = await proxy.drain(deadlineMs)
    plugins[Symbol.dispose]()
    queues[Symbol.dispose]()
    sockets?.[Symbol.dispose]()
    inKernel?.[Symbol.dispose]()
    kept?.[Symbol.dispose]()
    await accessLog[Symbol.asyncDispose]()
    collect(false)
    send({ kind: 'drained', finished, cut })
  }

  let lastSent: MetricsState = { metrics: [] }
  const collect = (wantsEndpoints: boolean): void => {
    // Idle endpoints say nothing that the snapshot does not, and there may be 100,000.
    const endpoints = wantsEndpoints
      ? proxy.endpointStates().filter(({ activeRequests, ejected }) => activeRequests > 0 || ejected)
      : undefined
    plugins.report(pluginMetrics)
    const state = meter.export()
    const isSame = isSameMetrics(state, lastSent)
    lastSent = state
    send({ kind: 'collected', metrics: isSame ? undefined : state, endpoints, plugins: plugins.status() })
  }

  port.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'delta': {
        const keep = keepSeriesAfter(snapshot, message.delta)
        snapshot = applyDelta(snapshot, message.delta)
        apply({ limits: message.rateLimits, modules: message.modules, table: message.kept })
        if (keep !== undefined) void applying.then(() => meter.retain(keep))
        break
      }
      case 'collect':
        collect(message.wantsEndpoints)
        break
      case 'tap':
        tap(message.isOn)
        break
      case 'ticket-keys':
        proxy.setTicketKeys(message.keys)
        break
      case 'callers-answered':
        callers.answered(message.answers)
        break
      case 'connection':
        void applying.then(() => takeOver(message))
        break
      case 'reopen-logs':
        accessLog.reopen()
        break
      case 'drain':
        void drain(message.deadlineMs, message.handsOver)
        break
    }
  })
  tap(options.isTapped)
  apply({ limits: { added: start.rateLimits, removed: [] }, modules: start.modules, table: start.kept })
}

/** The machine's monotonic clock, the same on every thread; `performance.now` counts from the start of its own. */
function machineNowMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

function forwardingLogger(least: LogLevel, send: (message: FromWorker) => void): Logger {
  const log = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (levels.indexOf(level) >= levels.indexOf(least)) send({ kind: 'log', level, message, fields })
  }
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
}

const mainThread = parentPort
if (mainThread === null)
  throw new MeshError('MESH_INTERNAL', 'worker.ts runs as a worker thread only', { source: 'internal' })
mainThread.once('message', (start: WorkerStart) => runWorker(mainThread, start))
