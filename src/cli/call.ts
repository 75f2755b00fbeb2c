import { MeshError } from '../core/index.ts'
import { nearest } from '../daemon/index.ts'
import { helpFlag } from './verb.ts'
import type { Call, Flag, Verb } from './verb.ts'

/**
 * Reads the words behind a verb. Flags may stand before and after other words,
 * as `--name value`, `--name=value` or `-n value`; everything behind `--` is
 * left alone.
 *
 * @throws MeshError MESH_USAGE with what would be right
 */
export function parseCall(verb: Verb, words: readonly string[]): Call {
  const known = [...verb.flags, helpFlag]
  const flags = new Map<string, string[]>()
  const positionals: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    if (word === '--') return { flags, positionals, rest: words.slice(at + 1) }
    if (!word.startsWith('-') || word === '-') {
      positionals.push(word)
      continue
    }
    const { flag, spelling, inline } = findFlag(verb, known, word)
    let value = inline
    if (flag.value === undefined) {
      if (value !== undefined) throw usage(verb, `${spelling} takes no value`)
      value = ''
    } else if (value === undefined && flag.alone !== undefined) value = flag.alone
    else if (value === undefined) {
      at++
      value = words[at]
      if (value === undefined || value === '--')
        throw usage(verb, `${spelling} needs a value: ${spelling} ${flag.value}`)
    }
    if (flag.choices !== undefined && !flag.choices.includes(value)) {
      throw usage(verb, `${spelling} is ${flag.choices.join(' or ')}, not ${JSON.stringify(value)}`)
    }
    const before = flags.get(flag.name)
    if (before === undefined) flags.set(flag.name, [value])
    else if (flag.isRepeated === true) before.push(value)
    else throw usage(verb, `${spelling} is given twice`)
  }
  return { flags, positionals, rest: undefined }
}

export function usage(verb: Pick<Verb, 'name'>, message: string): MeshError {
  return new MeshError('MESH_USAGE', message, { source: 'config', hint: `heddle help ${verb.name}`.trimEnd() })
}

function findFlag(
  verb: Verb,
  known: readonly Flag[],
  word: string,
): { flag: Flag; spelling: string; inline: string | undefined } {
  if (word.startsWith('--')) {
    const equals = word.indexOf('=')
    const name = word.slice(2, equals < 0 ? undefined : equals)
    const flag = known.find(each => each.name === name)
    if (flag !== undefined)
      return { flag, spelling: `--${name}`, inline: equals < 0 ? undefined : word.slice(equals + 1) }
    const near = nearest(
      name,
      known.map(each => each.name),
    )
    throw usage(verb, `heddle ${verb.name} has no --${name}${near === undefined ? '' : `, did you mean --${near}?`}`)
  }
  const short = word.slice(1, 2)
  const flag = known.find(each => each.short === short)
  if (flag === undefined) throw usage(verb, `heddle ${verb.name} has no -${short}`)
  return { flag, spelling: `-${short}`, inline: word.length > 2 ? word.slice(2) : undefined }
}
