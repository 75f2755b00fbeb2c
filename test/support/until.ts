import { setTimeout as sleep } from 'node:timers/promises'

export interface UntilOptions {
  /** @default 40_000 */
  readonly timeoutMs?: number
  /** @default 5 */
  readonly intervalMs?: number
  /** What is added to the error when the time is over. */
  readonly explain?: () => string
}

/**
 * Asks again and again until the condition holds; one that fails does not hold yet. (`waitFor` of a test's context goes
 * on for ever when its time is over while an asynchronous condition is under way.)
 *
 * @throws Error when the time is over; its cause is the condition's last failure
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  { timeoutMs = 40_000, intervalMs = 5, explain = () => condition.toString() }: UntilOptions = {},
): Promise<void> {
  const endMs = performance.now() + timeoutMs
  let cause: unknown = undefined
  for (;;) {
    try {
      if (await condition()) return
    } catch (error) {
      cause = error
    }
    if (performance.now() > endMs) throw new Error(`waited in vain: ${explain()}`, { cause })
    await sleep(intervalMs)
  }
}
