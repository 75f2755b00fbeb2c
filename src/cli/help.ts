import { nearest } from '../daemon/index.ts'
import { usage } from './call.ts'
import type { Paint } from './paint.ts'
import { choosePaint } from './paint.ts'
import { helpFlag } from './verb.ts'
import type { Flag, Verb } from './verb.ts'

/** @param verbs all of them, `help` itself included once it exists */
export function helpVerb(verbs: () => readonly Verb[]): Verb {
  const help: Verb = {
    name: 'help',
    summary: 'what a command does and takes',
    usage: '[COMMAND]',
    flags: [],
    examples: ['heddle help run'],
    run(call, io) {
      const [name] = call.positionals
      const paint = choosePaint(undefined, io)
      if (name === undefined) io.out(`${renderOverview(verbs(), paint)}\n`)
      else io.out(`${renderHelp(findVerb(verbs(), name), paint)}\n`)
      return Promise.resolve(0)
    },
  }
  return help
}

/** @throws MeshError MESH_USAGE with the nearest name */
export function findVerb(verbs: readonly Verb[], name: string): Verb {
  const verb = verbs.find(each => each.name === name)
  if (verb !== undefined) return verb
  const near = nearest(
    name,
    verbs.map(each => each.name),
  )
  throw usage(
    { name: near ?? '' },
    `there is no command ${JSON.stringify(name)}${near === undefined ? '' : `, did you mean ${near}?`}`,
  )
}

export function renderOverview(verbs: readonly Verb[], paint: Paint): string {
  const width = Math.max(...verbs.map(({ name }) => name.length))
  const lines = verbs.map(({ name, summary }) => `  ${paint.name(name.padEnd(width))}  ${summary}`)
  return [
    `${paint.bold('heddle')}: a service mesh without sidecars`,
    '',
    'Usage: heddle COMMAND …',
    '',
    ...lines,
    '',
    'Start with heddle up -f DIR. heddle help COMMAND tells more.',
    'Exit codes: 0 all is well, 1 it is not or could not be done, 2 the command line is wrong.',
  ].join('\n')
}

export function renderHelp(verb: Verb, paint: Paint): string {
  const flags = [...verb.flags, helpFlag]
  const spellings = flags.map(spell)
  const width = Math.max(...spellings.map(({ length }) => length))
  const parts = [
    `${paint.bold(`heddle ${verb.name}`)}: ${verb.summary}`,
    `Usage: heddle ${[verb.name, '[FLAG …]', verb.usage].filter(part => part !== '').join(' ')}`,
    ['Flags:', ...flags.map((flag, at) => `  ${(spellings[at] ?? '').padEnd(width)}  ${aboutOf(flag)}`)].join('\n'),
    ['Examples:', ...verb.examples.map(example => `  ${example}`)].join('\n'),
  ]
  const exits = verb.exits ?? []
  if (exits.length > 0) parts.push(['Exit codes:', ...exits.map(line => `  ${line}`)].join('\n'))
  return parts.join('\n\n')
}

function spell(flag: Flag): string {
  const short = flag.short === undefined ? '    ' : `-${flag.short}, `
  return `${short}--${flag.name}${flag.value === undefined ? '' : flag.alone === undefined ? ` ${flag.value}` : `[=${flag.value}]`}`
}

function aboutOf(flag: Flag): string {
  const choices = flag.choices === undefined ? '' : ` One of ${flag.choices.join(', ')}.`
  const repeated = flag.isRepeated === true ? ' May be repeated.' : ''
  return `${flag.about}${choices}${repeated}`
}
