/** A program of a Workload as the next agent has to know it. */
export interface ProgramRecord {
  /** `namespace/name` */
  readonly workload: string
  /** Of the process, and of its group. */
  readonly pid: number
  /** Of what it was started from. */
  readonly fingerprint: string
  /** Wall clock. */
  readonly sinceMs: number
  /** How often its Workload had been started again by then. */
  readonly restarts: number
}

export const outputStreams = ['stdout', 'stderr'] as const

export type OutputStream = (typeof outputStreams)[number]

const mark = 'program '

/** Under this name the keeper holds the process; all that is known of it is in there. */
export function nameOfProgram({ workload, pid, fingerprint, sinceMs, restarts }: ProgramRecord): string {
  // Always in this order: it is dropped by this name.
  return mark + JSON.stringify({ workload, pid, fingerprint, sinceMs, restarts })
}

/** @returns undefined for something else, or what another version wrote */
export function recordOf(name: string): ProgramRecord | undefined {
  if (!name.startsWith(mark)) return undefined
  const read = JSON.parse(name.slice(mark.length)) as Partial<ProgramRecord>
  const { workload, pid, fingerprint, sinceMs, restarts } = read
  if (typeof workload !== 'string' || typeof pid !== 'number' || !Number.isInteger(pid) || pid < 2) return undefined
  if (typeof fingerprint !== 'string' || typeof sinceMs !== 'number' || typeof restarts !== 'number') return undefined
  return { workload, pid, fingerprint, sinceMs, restarts }
}

/** Under this name the keeper holds what a program writes. */
export function nameOfOutput(stream: OutputStream, { pid }: ProgramRecord): string {
  return `${stream} ${pid}`
}
