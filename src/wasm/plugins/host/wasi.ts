import { randomFillSync } from 'node:crypto'
import type { HostFunction } from '../../engine/engine.ts'
import type { HostFunctions, HostVm } from './host-vm.ts'
import { nanoseconds } from './logs.ts'
import { maxWriteBytes } from './output.ts'

/** @see WASI snapshot preview1, `errno` */
const errno = { success: 0, badf: 8, fault: 21, inval: 28, noent: 44, nosys: 52, notsup: 58 } as const
/** Answers denied functions. */
export const notCapable = 76
/** More at once would stop the thread for long. */
const maxRandomBytes = 65_536

/**
 * What runtimes of languages import from WASI: output goes to the log, the
 * environment is what the configuration says, and there are no files.
 */
export const wasiFunctions: HostFunctions = vm => ({
  ...constants(),
  ...environment(vm),
  fd_write: (fd: number, vectors: number, count: number, out: number) => write(vm, fd, vectors, count, out),
  fd_fdstat_get(fd: number, out: number) {
    if (fd < 0 || fd > 2) return errno.badf
    if (!vm.memory.has(out, 24)) return errno.fault
    vm.memory.slice(out, 24).fill(0)
    // The right to write.
    vm.memory.setU64(out + 8, 64n)
    return errno.success
  },
  clock_time_get(id: number, _precision: bigint, out: number) {
    vm.countCall()
    if (id !== 0 && id !== 1) return errno.notsup
    if (!vm.memory.has(out, 8)) return errno.fault
    const { clock } = vm.services
    vm.memory.setU64(out, nanoseconds(id === 0 ? clock.wallMs() : clock.nowMs()))
    return errno.success
  },
  random_get(pointer: number, length: number) {
    vm.countCall()
    if (length >>> 0 > maxRandomBytes) return errno.inval
    if (!vm.memory.has(pointer, length)) return errno.fault
    if (length > 0) randomFillSync(vm.memory.slice(pointer, length))
    return errno.success
  },
  // Go's scheduler asks whether it may sleep.
  poll_oneoff(_in: number, _out: number, _count: number, outCount: number) {
    vm.countCall()
    if (!vm.memory.has(outCount, 4)) return errno.fault
    vm.memory.setU32(outCount, 0)
    return errno.success
  },
  proc_exit(code: number) {
    vm.stop('exit', `it called proc_exit(${code})`)
  },
})

/** Same answer to everybody. */
function constants(): Record<string, HostFunction> {
  const answers: Readonly<Record<number, string>> = {
    [errno.success]: 'fd_seek fd_close sched_yield',
    1: 'clock_res_get',
    [errno.badf]:
      'fd_prestat_get fd_advise fd_allocate fd_datasync fd_fdstat_set_rights fd_filestat_get fd_filestat_set_size fd_filestat_set_times fd_pread fd_pwrite fd_readdir fd_renumber fd_sync fd_tell sock_accept sock_recv sock_send sock_shutdown',
    [errno.noent]: 'path_open',
    [errno.nosys]: 'fd_read fd_fdstat_set_flags fd_prestat_dir_name',
    [errno.notsup]:
      'path_create_directory path_filestat_get path_filestat_set_times path_link path_readlink path_remove_directory path_rename path_symlink path_unlink_file proc_raise',
  }
  const functions: Record<string, HostFunction> = {}
  for (const [answer, names] of Object.entries(answers))
    for (const name of names.split(' ')) functions[name] = () => Number(answer)
  return functions
}

function environment(vm: HostVm): Record<string, HostFunction> {
  const variables = Object.entries(vm.config.environment).map(([name, value]) =>
    Buffer.from(`${name}=${value}\0`, 'utf8'),
  )
  const sizes = (list: readonly Buffer[]) => (outCount: number, outBytes: number) => {
    if (!vm.memory.has(outCount, 4) || !vm.memory.has(outBytes, 4)) return errno.fault
    vm.memory.setU32(outCount, list.length)
    vm.memory.setU32(
      outBytes,
      list.reduce((sum, { length }) => sum + length, 0),
    )
    return errno.success
  }
  const values = (list: readonly Buffer[]) => (pointers: number, target: number) => {
    const total = list.reduce((sum, { length }) => sum + length, 0)
    if (!vm.memory.has(pointers, list.length * 4) || !vm.memory.has(target, total)) return errno.fault
    let at = target
    for (const [index, variable] of list.entries()) {
      vm.memory.setU32(pointers + index * 4, at)
      vm.memory.slice(at, variable.length).set(variable)
      at += variable.length
    }
    return errno.success
  }
  return {
    environ_sizes_get: sizes(variables),
    environ_get: values(variables),
    args_sizes_get: sizes([]),
    args_get: values([]),
  }
}

/** Standard output is information, standard error an error. */
function write(vm: HostVm, fd: number, vectors: number, count: number, out: number): number {
  vm.countCall()
  const { memory } = vm
  if (fd !== 1 && fd !== 2) return errno.badf
  if (!memory.has(vectors, (count >>> 0) * 8) || !memory.has(out, 4)) return errno.fault
  const parts: Buffer[] = []
  let length = 0
  for (let index = 0; index < count >>> 0; index++) {
    const pointer = memory.u32(vectors + index * 8)
    const size = memory.u32(vectors + index * 8 + 4)
    if (!memory.has(pointer, size)) return errno.fault
    length += size
    if (length > maxWriteBytes) return errno.inval
    parts.push(memory.copy(pointer, size))
  }
  vm.output.write(fd, Buffer.concat(parts).toString('utf8'))
  memory.setU32(out, length)
  return errno.success
}
