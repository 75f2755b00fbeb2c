import { renameSync, rmSync, statfsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { messageOf } from '../../core/index.ts'
import { command, errno } from './bpf.ts'
import type { Bpf, Descriptor } from './bpf.ts'

/** f_type of statfs(2) for bpffs (linux/magic.h). */
const bpffsMagic = 0xcafe4a11

export interface PinOptions {
  /** Takes the place of what is pinned there, at one moment. @default false */
  readonly replace?: boolean
}

/** Whether a folder lies in a mounted bpffs. */
export function isBpffs(folder: string): boolean {
  try {
    return statfsSync(folder).type === bpffsMagic
  } catch {
    // Not there at all.
    return false
  }
}

function cText(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text) + 1)
  bytes.fill(0).write(text)
  return bytes
}

/**
 * Pins a map, program or link: it stays in the kernel until the path is removed.
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export function pin(
  bpf: Bpf,
  of: { readonly fd: number; readonly what: string },
  path: string,
  options: PinOptions = {},
): void {
  const target = options.replace === true ? join(dirname(path), `${basename(path)}_next`) : path
  if (target !== path) rmSync(target, { force: true })
  const answer = bpf.try(command.objPin, bpf.attr(command.objPin).memory(0, cText(target)).u32(8, of.fd))
  if (answer < 0) {
    throw bpf.failure({
      call: 'bpf(OBJ_PIN)',
      errno: -answer,
      object: `${of.what} at ${path}`,
      needs: ['CAP_BPF'],
      ...(isBpffs(dirname(path)) ? {} : { hint: `${dirname(path)} is not in a bpffs: mount -t bpf bpffs FOLDER` }),
    })
  }
  if (target !== path) renameSync(target, path)
}

/**
 * Opens what is pinned at a path.
 * @returns undefined when nothing is there
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export function openPin(bpf: Bpf, path: string, what: string): Descriptor | undefined {
  const answer = bpf.try(command.objGet, bpf.attr(command.objGet).memory(0, cText(path)))
  if (answer >= 0) return bpf.own(answer, what)
  if (answer === -errno.enoent) return undefined
  throw bpf.failure({ call: 'bpf(OBJ_GET)', errno: -answer, object: `${what} at ${path}`, needs: ['CAP_BPF'] })
}

/** Removes pins; what is not there is fine. @returns why it could not, by path */
export function unpin(paths: readonly string[]): ReadonlyMap<string, string> {
  const problems = new Map<string, string>()
  for (const path of paths) {
    try {
      rmSync(path, { force: true })
    } catch (error) {
      problems.set(path, messageOf(error))
    }
  }
  return problems
}
