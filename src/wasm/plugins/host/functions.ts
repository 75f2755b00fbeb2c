import type { GuestImports } from '../../engine/engine.ts'
import { statuses } from '../abi.ts'
import { isAllowed } from '../plugin-config.ts'
import type { HostVm } from './host-vm.ts'
import { bufferFunctions } from './buffers.ts'
import { calloutFunctions } from './callouts.ts'
import { foreignFunctions } from './foreign.ts'
import { headerFunctions } from './headers.ts'
import type { HostFunction } from '../../engine/engine.ts'
import { logFunctions } from './logs.ts'
import { metricFunctions } from './metrics.ts'
import { propertyFunctions } from './properties.ts'
import { sharedFunctions } from './shared.ts'
import { streamFunctions } from './streams.ts'
import { notCapable, wasiFunctions } from './wasi.ts'

/** All that an instance may import, for the version of its ABI. */
export function hostFunctions(vm: HostVm): GuestImports {
  const env: Record<string, HostFunction> = {
    ...logFunctions(vm),
    ...headerFunctions(vm),
    ...bufferFunctions(vm),
    ...streamFunctions(vm),
    ...calloutFunctions(vm),
    ...sharedFunctions(vm),
    ...metricFunctions(vm),
    ...propertyFunctions(vm),
    ...foreignFunctions(vm),
    ...vm.config.hostFunctions(vm),
  }
  if (vm.module.abi !== '0.2.1') delete env['proxy_get_log_level']
  const wasi: Record<string, HostFunction> = { ...wasiFunctions(vm) }
  if (vm.config.capabilities !== undefined) {
    deny(vm, env, statuses.internalFailure)
    deny(vm, wasi, notCapable)
  }
  return { env, wasi_snapshot_preview1: wasi, wasi_unstable: wasi }
}

/** What is not allowed says so in the log, and answers `status`. Ending itself is always allowed. */
function deny(vm: HostVm, functions: Record<string, HostFunction>, status: number): void {
  for (const name of Object.keys(functions)) {
    if (isAllowed(vm.config, name) || name === 'proc_exit') continue
    functions[name] = () => {
      vm.log('warn', `${name} is not among the plugin's capabilities`)
      return status
    }
  }
}
