/**
 * A process that hosts a proxy and nothing else, so that its memory and its
 * descriptors are the proxy's own. Driven by messages of `clients-process.ts`.
 */
import type { Proxy } from '../../src/proxy/index.ts'
import { BookMeter } from './clients-meter.ts'
import type { HostAnswer, HostRequest } from './clients-process.ts'
import { buildSnapshot, ProxyUnderTest } from './proxy.ts'
import { freePort } from './ports.ts'

const meter = new BookMeter()
const port = await freePort()
let proxy: Proxy | undefined

async function answer(request: HostRequest): Promise<HostAnswer> {
  switch (request.kind) {
    case 'start': {
      proxy = new ProxyUnderTest({
        meter,
        limits: request.limits,
      })
      const failures = await proxy.apply(buildSnapshot(request.sketch, port, 1))
      for (const [listener, reason] of failures) throw new Error(`${listener}: ${reason}`)
      return { kind: 'started', port }
    }
    case 'ping':
      return { kind: 'pong' }
    case 'figures': {
      globalThis.gc?.()
      const { rss, arrayBuffers, heapUsed } = process.memoryUsage()
      return {
        kind: 'figures',
        rssBytes: rss,
        arrayBufferBytes: arrayBuffers,
        heapBytes: heapUsed,
        peakRssBytes: process.resourceUsage().maxRSS * 1024,
        cpuMicros: process.resourceUsage().userCPUTime + process.resourceUsage().systemCPUTime,
        gauges: Object.fromEntries(meter.gauges()),
        activeRequests: activeRequests(),
      }
    }
    case 'gauges':
      return { kind: 'gauges', gauges: Object.fromEntries(meter.gauges()), activeRequests: activeRequests() }
  }
}

function activeRequests(): number {
  return (proxy?.endpointStates() ?? []).reduce((sum, state) => sum + state.activeRequests, 0)
}

process.on('message', (message: { id: number; request: HostRequest }) => {
  void answer(message.request).then(
    result => process.send?.({ id: message.id, result }),
    (error: unknown) => process.send?.({ id: message.id, error: String(error) }),
  )
})
process.on('disconnect', () => process.exit(0))
