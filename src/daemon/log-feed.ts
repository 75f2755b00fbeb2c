import { Feed } from './feed.ts'

/** One line for `heddle logs`. */
export interface LogLine {
  /** Milliseconds since 1970. */
  readonly timeMs: number
  /** `access`, or the key of the workload that wrote it. */
  readonly source: string
  readonly stream: 'access' | 'stdout' | 'stderr'
  readonly text: string
}

/**
 * The lines of all workloads and of the access log, on their way to those who
 * follow. The access log is read only while somebody does.
 */
export class LogFeed extends Feed<LogLine> {}
