/** HTTP/2 from clients, with many requests at once on few connections; HTTP/2 or HTTP/1.1 towards the backend. */
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TestAuthority } from '../../test/support/certificates.ts'
import { loadWithH2load } from '../load/h2load.ts'
import { grpcHeaders, grpcMessage } from '../load/probe.ts'
import { ordinaryHeaders } from '../load/wrk.ts'
import { startBackend } from '../peers/backend.ts'
import type { Contestant, Scene } from '../peers/contestant.ts'
import { startHaproxy } from '../peers/haproxy.ts'
import { startHeddle } from '../peers/heddle.ts'
import { startGrpcEcho, startHttp2Backend } from '../peers/http2-backend.ts'
import { startNghttpx } from '../peers/nghttpx.ts'
import { startNginx } from '../peers/nginx.ts'
import { freePorts, output, pinned } from '../processes.ts'
import type { Sample } from '../result.ts'
import { noteIdleCore, race } from './race.ts'
import type { Case, Context, Figures } from './race.ts'
import type { Suite, SuiteOptions } from './suite.ts'

interface Http2Case extends Case {
  readonly endpoints: 'http1' | 'h2c' | 'grpc'
  /** Calls of gRPC that go on for as long as they are measured. */
  readonly streams?: boolean
  readonly tls?: boolean
}

const cases: readonly Http2Case[] = [
  { name: 'h2c to h2c', endpoints: 'h2c', measure: measureSmall, hasAllRounds: true },
  { name: 'h2c to HTTP/1.1', endpoints: 'http1', measure: measureSmall },
  { name: 'TLS to h2c', endpoints: 'h2c', tls: true, measure: measureSmall },
  { name: 'gRPC unary', endpoints: 'grpc', measure: measureGrpc },
  { name: 'gRPC streams', endpoints: 'grpc', streams: true, measure: measureStreams },
]

export const http2: Suite = {
  name: 'http2',
  limits: [
    'the agent in user space, as without root',
    'everything on one machine over loopback, one worker each on one core; 8 connections with 32 requests at once each',
    'nginx speaks HTTP/1.1 to the backend in every case but gRPC: it has no HTTP/2 there',
    'nghttpx writes each line of its access log at once, has no metrics and makes no request ids',
    'each writes what it knows to its access log: nghttpx 155 bytes a request, Heddle 370',
    'endpoints by HTTP/2 are one nghttpd, those by HTTP/1.1 one nginx; calls of gRPC are one message each way',
    'gRPC streams: 256 calls in both directions on an endpoint of our own, CPU for a message there and back; the load is a Node program, which limits the throughput',
  ],
  async run(options) {
    const wanted = cases.filter(({ name }) => name.includes(options.only))
    const samples: Sample[] = []
    for (const one of wanted) samples.push(...(await runCase(one, options)))
    return samples
  },
}

async function runCase(one: Http2Case, options: SuiteOptions): Promise<readonly Sample[]> {
  const folder = await mkdtemp(join(options.folder, 'http2-'))
  const prefix = one.endpoints === 'grpc' ? '/bench.Service' : '/service-'
  const routes = Array.from({ length: 100 }, (_, index) => `${prefix}${String(index + 1).padStart(5, '0')}`)
  using authority = new TestAuthority()
  await using programs = new AsyncDisposableStack()
  const http1Ports = await freePorts(2)
  programs.use(await startBackend(folder, http1Ports))
  const backend = await (one.streams === true
    ? startGrpcEcho(folder, routes)
    : startHttp2Backend(folder, routes, { grpc: one.endpoints === 'grpc' }))
  programs.use(backend.program)
  const scene: Scene = {
    folder,
    routes,
    endpointPorts: one.endpoints === 'http1' ? http1Ports : [backend.port],
    http1Ports,
    clients: 'http2',
    endpoints: one.endpoints,
    ...(one.tls === true ? { tls: authority.issueFiles({ names: ['front.example'] }) } : {}),
  }
  const contestants: Contestant[] = []
  for (const start of [startHeddle, startNginx, startHaproxy, startNghttpx]) {
    const contestant = await start(scene)
    if (contestant.program !== undefined) programs.use(contestant.program)
    contestants.push(contestant)
  }
  return await race('http2', contestants, [one], { paths: routes, options, warmUp: one.measure })
}

function measureSmall(contestant: Contestant, context: Context): Promise<Figures> {
  return measureHttp2(contestant, context, {
    headers: ordinaryHeaders.map(([name, value]) => [name.toLowerCase(), value]),
  })
}

function measureGrpc(contestant: Contestant, context: Context): Promise<Figures> {
  return measureHttp2(contestant, context, { headers: grpcHeaders, body: grpcMessage })
}

/** As fast as load and backend answer each other; figures are those of one message there and back. */
async function measureStreams(
  { name, host, port, program }: Contestant,
  { name: caseName, options, paths }: Context,
): Promise<Figures> {
  if (program === undefined) return {}
  const script = fileURLToPath(new URL('../load/grpc-streams.ts', import.meta.url))
  const stream = async (seconds: number): Promise<StreamResult> => {
    const shape = [host, port, 8, 32, seconds].map(String)
    const calls = paths.map(path => `${path}/small`)
    return JSON.parse(await output(pinned('load', [process.execPath, script, ...shape, ...calls]))) as StreamResult
  }
  await stream(1)
  const beforeUs = program.cpuUs()
  const { messages, perSecond, errors } = await stream(options.seconds)
  const cpuUs = program.cpuUs() - beforeUs
  if (errors > 0 || messages === 0) options.failure(`${name}, ${caseName}: ${errors} errors, ${messages} messages`)
  return { cpu: cpuUs / messages, throughput: perSecond }
}

interface StreamResult {
  readonly messages: number
  readonly perSecond: number
  readonly errors: number
}

/** As fast as the contestant's core allows. */
async function measureHttp2(
  { name, scheme, host, port, program }: Contestant,
  { name: caseName, options, paths }: Context,
  request: { readonly headers: readonly (readonly [string, string])[]; readonly body?: Buffer },
): Promise<Figures> {
  if (program === undefined) return {}
  const origin = `${scheme}://${host}:${port}`
  const load = { origin, paths: paths.map(path => `${path}/small`), connections: 8, streams: 32, ...request }
  await loadWithH2load(options.folder, { ...load, seconds: 1 })
  const beforeUs = program.cpuUs()
  const startMs = performance.now()
  const result = await loadWithH2load(options.folder, { ...load, seconds: options.seconds })
  const cpuUs = program.cpuUs() - beforeUs
  if (result.errors > 0 || result.requests === 0) {
    options.failure(`${name}, ${caseName}: ${result.errors} of ${result.requests} requests failed`)
  }
  noteIdleCore(name, caseName, { cpuUs, wallMs: performance.now() - startMs, options })
  return { cpu: cpuUs / result.requests, throughput: result.perSecond }
}
