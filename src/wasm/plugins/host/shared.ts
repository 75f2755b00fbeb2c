import { statuses } from '../abi.ts'
import type { HostFunctions } from './host-vm.ts'

const { ok, notFound, casMismatch, empty, internalFailure, invalidMemoryAccess } = statuses

/** Data and queues that instances share. */
export const sharedFunctions: HostFunctions = vm => ({
  proxy_get_shared_data(key: number, keyLength: number, outPointer: number, outLength: number, outCas: number) {
    vm.target()
    if (!vm.memory.has(key, keyLength) || !vm.memory.has(outCas, 4)) return invalidMemoryAccess
    const entry = vm.services.sharedData.get(vm.config.vmId, nameOf(vm.memory.slice(key, keyLength)))
    if (entry === undefined) return notFound
    const status = vm.give(entry.value, 0, entry.value.length, outPointer, outLength)
    if (status === ok) vm.memory.setU32(outCas, entry.cas)
    return status
  },
  proxy_set_shared_data(key: number, keyLength: number, value: number, valueLength: number, cas: number) {
    vm.target()
    const { memory, services, config } = vm
    if (!memory.has(key, keyLength) || !memory.has(value, valueLength)) return invalidMemoryAccess
    const name = nameOf(memory.slice(key, keyLength))
    const result = services.sharedData.set(config.vmId, name, memory.copy(value, valueLength), cas >>> 0)
    if (result === 'set') return ok
    if (result === 'cas-mismatch') return casMismatch
    vm.log('warn', `shared data of ${config.vmId} has reached its limit; ${name} is not stored`)
    return internalFailure
  },
  proxy_register_shared_queue(name: number, length: number, out: number) {
    vm.target()
    if (!vm.memory.has(name, length) || !vm.memory.has(out, 4)) return invalidMemoryAccess
    vm.memory.setU32(out, vm.root.registerQueue(nameOf(vm.memory.slice(name, length))))
    return ok
  },
  proxy_resolve_shared_queue(vmId: number, vmIdLength: number, name: number, nameLength: number, out: number) {
    vm.target()
    const { memory } = vm
    if (!memory.has(vmId, vmIdLength) || !memory.has(name, nameLength) || !memory.has(out, 4))
      return invalidMemoryAccess
    const owner = vmIdLength === 0 ? vm.config.vmId : memory.text(vmId, vmIdLength)
    const id = vm.services.queues.resolve(owner, nameOf(memory.slice(name, nameLength)))
    if (id === undefined) return notFound
    memory.setU32(out, id)
    return ok
  },
  proxy_enqueue_shared_queue(id: number, data: number, length: number) {
    vm.target()
    if (!vm.memory.has(data, length)) return invalidMemoryAccess
    const result = vm.services.queues.enqueue(id, vm.memory.copy(data, length))
    if (result === 'queued') return ok
    if (result === 'unknown') return notFound
    vm.log('warn', `queue ${id} has reached its limit; an item is not queued`)
    return internalFailure
  },
  proxy_dequeue_shared_queue(id: number, outPointer: number, outLength: number) {
    vm.target()
    if (!vm.memory.has(outPointer, 4) || !vm.memory.has(outLength, 4)) return invalidMemoryAccess
    const item = vm.services.queues.dequeue(id)
    if (item === 'unknown') return notFound
    if (item === 'empty') return empty
    return vm.give(item, 0, item.length, outPointer, outLength)
  },
})

/** Any bytes are a name. */
function nameOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}
