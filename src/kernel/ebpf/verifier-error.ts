import { MeshError } from '../../core/index.ts'
import type { LineInfo, ProgramSpec } from './link-programs.ts'
import { missingHelper } from './type-relocation.ts'
import type { MissingType } from './type-relocation.ts'

/** Why the verifier refused a program; the cause of MESH_EBPF_REFUSED. */
export class VerifierRefusal extends Error {
  readonly program: string
  /** Index in the linked program; undefined when the log names none. */
  readonly instruction: number | undefined
  /** The line of C it came from, as far as the object knows. */
  readonly source: LineInfo | undefined
  /** Not a plain property: it would be printed wherever the error is. */
  readonly #log: readonly string[]

  constructor(of: {
    program: string
    instruction: number | undefined
    source: LineInfo | undefined
    log: readonly string[]
  }) {
    super(`the verifier refuses program ${of.program}`)
    this.name = 'VerifierRefusal'
    this.program = of.program
    this.instruction = of.instruction
    this.source = of.source
    this.#log = of.log
  }

  /** The end of what the verifier wrote, line by line. */
  get log(): readonly string[] {
    return this.#log
  }
}

/** Lines of the log that are kept; the reason stands at its end. */
const keptLines = 40
/** Lines of it that a person is shown. */
const shownLines = 6

/** What is known of a refusal. */
export interface Refused {
  readonly errno: string
  /** As the kernel wrote it, at level 1. */
  readonly log: string
  /** What the program wanted of this kernel in vain. */
  readonly missing: readonly MissingType[]
}

/** Statistics, lines of source and the state that led there: what stands around the reason. */
const noReason =
  /^(processed \d+ insns|verification time|stack depth|max_states|peak_states|mark_precise|;|\d+: \(|\d+: R\d|from \d+ to|arg#|R\d+(_w)?=)/

/** The error of a program that the verifier refused, from its log. */
export function verifierError(program: ProgramSpec, { errno, log, missing }: Refused): MeshError {
  const lines = log.split('\n').filter(line => line.trim() !== '')
  const reason = lines.findLast(line => !noReason.test(line.trim()))
  const at = lines.findLast(line => /^\d+: \([0-9a-f]{2}\)/.test(line))
  const instruction = at === undefined ? undefined : Number.parseInt(at, 10)
  const source = instruction === undefined ? undefined : program.lines.findLast(({ index }) => index <= instruction)
  const inFunction = program.functions.findLast(({ index }) => index <= (instruction ?? -1))
  const cause = new VerifierRefusal({ program: program.name, instruction, source, log: lines.slice(-keptLines) })
  const place = [
    ...(inFunction === undefined || inFunction.name === program.name ? [] : [`in ${inFunction.name}()`]),
    ...(instruction === undefined ? [] : [`at instruction ${instruction}`]),
    ...(source === undefined ? [] : [`(${source.file}:${source.line}: ${source.text})`]),
  ].join(' ')
  const lacks = log.includes(`#${missingHelper}`) ? missing.find(({ index }) => index === instruction) : undefined
  const said =
    lacks === undefined
      ? reason === undefined
        ? errno
        : reason.replace(/^\d+: /, '').trim()
      : `this kernel has no ${lacks.what}`
  return new MeshError(
    'MESH_EBPF_REFUSED',
    `program ${program.name}: the verifier refuses it${place === '' ? '' : ` ${place}`}: ${said}`,
    { source: 'kernel', cause, hint: `the verifier's last lines:\n${lines.slice(-shownLines).join('\n')}` },
  )
}
