import { dirname, resolve } from 'node:path'
import type { Workload } from '../../model/index.ts'
import { durationMs } from '../schema/duration.ts'
import type { ServiceResource, WorkloadResource } from '../schema/resource.ts'
import { compareText } from './hostname.ts'
import { healthCheck } from './settings.ts'

/** A Workload for the agent's supervisor. */
export function workloadOf({ metadata, spec, origin }: WorkloadResource): Workload {
  const { namespace, name, labels } = metadata
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    labels,
    service: spec.service,
    address: spec.address,
    port: spec.port,
    process:
      spec.process === undefined
        ? undefined
        : {
            command: spec.process.command,
            env: spec.process.env,
            workingDirectory: resolve(dirname(origin.file), spec.process.workingDirectory ?? '.'),
            restartBackoffMs: durationMs(spec.process.restartBackoff),
          },
    healthCheck: spec.healthCheck === undefined ? undefined : healthCheck(spec.healthCheck),
  }
}

/**
 * Which Services select which labels. A Service is filed under one label of its
 * selector, so that a Workload meets only Services that share one with it.
 */
export class SelectorIndex {
  readonly #byLabel = new Map<string, ServiceResource[]>()

  constructor(services: Iterable<ServiceResource>) {
    for (const service of services) {
      // An empty selector selects nothing: the endpoints of such a Service are made by hand.
      const [first] = Object.entries(service.spec.selector ?? {})
      if (first === undefined || service.spec.type === 'ExternalName') continue
      const label = labelKey(service.metadata.namespace, first)
      const list = this.#byLabel.get(label)
      if (list === undefined) this.#byLabel.set(label, [service])
      else list.push(service)
    }
  }

  /** `namespace/name` of the Services that select a Workload, sorted. */
  servicesOf({ metadata: { namespace, labels } }: WorkloadResource): readonly string[] {
    const keys: string[] = []
    for (const entry of Object.entries(labels)) {
      for (const { metadata, spec } of this.#byLabel.get(labelKey(namespace, entry)) ?? []) {
        const selector = Object.entries(spec.selector ?? {})
        if (selector.every(([key, value]) => labels[key] === value)) keys.push(`${namespace}/${metadata.name}`)
      }
    }
    return keys.sort(compareText)
  }
}

function labelKey(namespace: string, [key, value]: readonly [string, string]): string {
  return `${namespace}\n${key}=${value}`
}
