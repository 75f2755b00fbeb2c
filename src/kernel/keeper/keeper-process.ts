/**
 * A process that keeps descriptors open for another one: `keeper-process.ts SOCKET SECONDS`. It loads nothing that it
 * does not need, waits in one system call, and opens no file.
 *
 * Exits with 0 when it was told to end, or when there is nothing to keep any more.
 */
import { unlinkSync, writeSync } from 'node:fs'
import { messageOf } from '../../core/index.ts'
import { KeeperClient } from './keeper-client.ts'
import { Keeper } from './keeper.ts'

/** @returns undefined when another keeper is there already */
function openKeeper(path: string, waitMs: number): Keeper | undefined {
  try {
    return new Keeper({ path, waitMs })
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE')) throw error
  }
  using there = KeeperClient.connect(path)
  if (there !== undefined) return undefined
  // Of one that was killed.
  unlinkSync(path)
  return new Keeper({ path, waitMs })
}

function main(): void {
  const [path = '', seconds = ''] = process.argv.slice(2)
  process.title = 'heddle-keeper'
  try {
    using keeper = openKeeper(path, Number(seconds) * 1000)
    // Whoever started it waits for this.
    writeSync(1, keeper === undefined ? `another keeper is at ${path} already\n` : `keeper ${process.pid} at ${path}\n`)
    keeper?.run()
  } catch (error) {
    writeSync(2, `heddle: ${messageOf(error)}\n`)
    process.exitCode = 1
  }
}

main()
