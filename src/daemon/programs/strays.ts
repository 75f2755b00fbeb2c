import type { Clock } from '../../core/index.ts'

const lookMs = 20

/**
 * Ends processes that are no children of this one: SIGTERM, and SIGKILL after a time; resolves when none is left, or
 * when those that are cannot be ended.
 * @param pids  those that are there now
 */
export async function endStrays(pids: () => readonly number[], clock: Clock, stopMs: number): Promise<void> {
  for (const [signal, waitMs] of [
    ['SIGTERM', stopMs],
    ['SIGKILL', 1_000],
  ] as const) {
    for (const pid of pids()) signalProcess(pid, signal)
    const endMs = clock.nowMs() + waitMs
    while (pids().length > 0 && clock.nowMs() < endMs) await new Promise<void>(resolve => clock.after(lookMs, resolve))
    if (pids().length === 0) return
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended by itself.
  }
}
