/** A command of `heddle`; one file each. Dispatch, help and shell completion all read these. */
export interface Verb {
  readonly name: string
  /** Half a sentence for the list of commands. */
  readonly summary: string
  /** What follows the name: `METHOD URL`, `[-f PATH …] -- PROGRAM [ARGUMENT …]`. */
  readonly usage: string
  readonly flags: readonly Flag[]
  /** Whole command lines. */
  readonly examples: readonly string[]
  /** Exit codes beside 0, 1 for failure and 2 for a wrong command line. */
  readonly exits?: readonly string[]
  /** @returns the exit code */
  run(call: Call, io: CliIo): Promise<number>
}

export interface Flag {
  /** Without dashes. */
  readonly name: string
  readonly short?: string
  /** What to write for the value in help, `PATH`; absent for a switch. */
  readonly value?: string
  /** What it means without a value, which then follows `=` only. */
  readonly alone?: string
  readonly choices?: readonly string[]
  /** Likely values, for shell completion; whoever reads the flag judges it. */
  readonly hints?: readonly string[]
  /** May be given several times. */
  readonly isRepeated?: boolean
  readonly about: string
}

/** A command line that was understood. */
export interface Call {
  /** Values by flag name, in order; a switch has one empty value. */
  readonly flags: ReadonlyMap<string, readonly string[]>
  readonly positionals: readonly string[]
  /** What stands behind `--`; undefined without one. */
  readonly rest: readonly string[] | undefined
}

/** The world of a command, so that tests can own it. */
export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean
  /** Width of the terminal; what is printed elsewhere is not cut. */
  readonly columns: number | undefined
  out(text: string): void
  err(text: string): void
}

export function flagValue(call: Call, name: string): string | undefined {
  return call.flags.get(name)?.at(-1)
}

export const socketFlag: Flag = {
  name: 'socket-path',
  value: 'PATH',
  about: "The agent's Unix socket (HEDDLE_SOCKET_PATH).",
}

export const outputFlag: Flag = {
  name: 'output',
  short: 'o',
  value: 'FORM',
  choices: ['table', 'json'],
  about: 'For people or for programs.',
}

export const colorFlag: Flag = {
  name: 'color',
  value: 'WHEN',
  choices: ['auto', 'always', 'never'],
  about: 'Colours: auto means on a terminal, unless NO_COLOR is set.',
}

export const helpFlag: Flag = { name: 'help', short: 'h', about: 'Show this help.' }
