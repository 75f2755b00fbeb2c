import { open } from 'node:fs/promises'
import { messageOf } from '../../core/index.ts'
import type { FileContent } from './file-resources.ts'

/**
 * A file is held in memory whole, as text and as resources. Without a limit one
 * wrong path (a log, a disk image) would end the agent; 64 MiB hold some
 * 300,000 endpoints.
 */
export const maxFileBytes: number = 64 * 1024 * 1024

/** Changes whenever the file may have other contents. */
export type Signature = string

export interface FileRead {
  readonly content: FileContent
  readonly signature: Signature
}

/** @returns undefined if the file is not there any more, or is no regular file */
export async function readConfigFile(path: string): Promise<FileRead | undefined> {
  try {
    await using file = await open(path, 'r')
    const stats = await file.stat({ bigint: true })
    if (!stats.isFile()) return undefined
    const signature = signatureOf(stats)
    if (stats.size > maxFileBytes) {
      const mebibytes = Math.ceil(Number(stats.size) / 1024 / 1024)
      return { signature, content: unreadable(`has ${mebibytes} MiB, at most ${maxFileBytes / 1024 / 1024} are read`) }
    }
    const bytes = await file.readFile()
    if (bytes.length > maxFileBytes) return { signature, content: unreadable('grows while it is read') }
    try {
      return { signature, content: { kind: 'text', text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) } }
    } catch {
      return { signature, content: unreadable('is not UTF-8 text') }
    }
  } catch (error) {
    if (isMissing(error)) return undefined
    return { signature: '', content: unreadable(`cannot be read: ${messageOf(error)}`) }
  }
}

function unreadable(reason: string): FileContent {
  return { kind: 'unreadable', reason }
}

export function signatureOf(stats: {
  readonly dev: bigint
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}): Signature {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
}

/** Not there, or a part of its path is no directory. */
export function isMissing(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  return error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ELOOP'
}

/** As many as the thread pool of Node takes without one slow disk holding up all else. */
const batchSize = 32

/** Results in the order of the items. */
export async function inBatches<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let at = 0; at < items.length; at += batchSize) {
    results.push(...(await Promise.all(items.slice(at, at + batchSize).map(work))))
  }
  return results
}
