import { metricKinds, statuses } from '../abi.ts'
import type { PluginMetric } from '../ports.ts'
import type { HostFunctions } from './host-vm.ts'

const { ok, notFound, badArgument, internalFailure, invalidMemoryAccess } = statuses

/** Metrics of the plugin's own. Ids carry their kind in the low two bits and step by 4. */
export const metricFunctions: HostFunctions = vm => {
  const metrics: PluginMetric[] = []
  const ids = new Map<PluginMetric, number>()
  const metricOf = (id: number): PluginMetric | undefined => {
    vm.target()
    const metric = metrics[(id >> 2) - 1]
    return metric !== undefined && metricKinds[id & 3] === metric.kind ? metric : undefined
  }
  return {
    proxy_define_metric(type: number, name: number, length: number, out: number) {
      vm.target()
      const kind = metricKinds[type]
      if (kind === undefined) return badArgument
      if (!vm.memory.has(name, length) || !vm.memory.has(out, 4)) return invalidMemoryAccess
      const text = vm.memory.text(name, length)
      const metric = vm.services.metrics.define(kind, text)
      // Some plugins define theirs again for each stream: beyond the limit they get the id that they have.
      const isNew = metrics.length < vm.config.limits.metrics
      if (metric !== undefined && isNew) ids.set(metric, metrics.push(metric) * 4 + type)
      const id = metric === undefined ? undefined : ids.get(metric)
      if (id === undefined) {
        vm.log('warn', `metric ${text} is not defined: there are too many, or it exists as another kind`)
        return internalFailure
      }
      vm.memory.setU32(out, id)
      return ok
    },
    proxy_increment_metric(id: number, delta: bigint) {
      const metric = metricOf(id)
      if (metric === undefined) return notFound
      if (metric.kind === 'histogram' || (metric.kind === 'counter' && delta <= 0n)) return badArgument
      metric.value += delta
      return ok
    },
    proxy_record_metric(id: number, value: bigint) {
      const metric = metricOf(id)
      if (metric === undefined) return notFound
      const given = BigInt.asUintN(64, value)
      if (metric.kind === 'histogram') metric.record(given)
      else metric.value = metric.kind === 'gauge' ? given : metric.value + given
      return ok
    },
    proxy_get_metric(id: number, out: number) {
      const metric = metricOf(id)
      if (metric === undefined) return notFound
      if (metric.kind === 'histogram') return badArgument
      if (!vm.memory.has(out, 8)) return invalidMemoryAccess
      vm.memory.setU64(out, metric.value)
      return ok
    },
  }
}
