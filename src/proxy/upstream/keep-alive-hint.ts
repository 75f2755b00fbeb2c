import { fieldIds } from '../../codec/index.ts'
import type { HeadParser } from '../../codec/index.ts'

/** An endpoint may close an unused connection just as we use it: we stop that much earlier than it says. */
const marginMs = 1_000

/** How long the endpoint promises to keep an unused connection (`Keep-Alive: timeout=5`), 0 when it says nothing. */
export function keepAliveHintMs(head: HeadParser): number {
  const at = head.find(fieldIds.keepAlive)
  if (at < 0) return 0
  const seconds = /(?:^|[,\s])timeout=(\d{1,6})/.exec(head.value(at))?.[1]
  return seconds === undefined ? 0 : Math.max(Number(seconds) * 1_000 - marginMs, 1)
}
