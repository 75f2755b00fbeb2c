import { usage } from './call.ts'
import { helpFlag } from './verb.ts'
import type { Flag, Verb } from './verb.ts'

export function completionVerb(verbs: () => readonly Verb[]): Verb {
  const completion: Verb = {
    name: 'completion',
    summary: 'a script that completes heddle in bash, zsh or fish',
    usage: 'bash | zsh | fish',
    flags: [],
    examples: [
      'source <(heddle completion bash)',
      'source <(heddle completion zsh)',
      'heddle completion fish > ~/.config/fish/completions/heddle.fish',
    ],
    run(call, io) {
      const [shell] = call.positionals
      const script = shell === undefined ? undefined : completionScript(shell, verbs())
      if (script === undefined) throw usage(completion, 'completion takes bash, zsh or fish')
      io.out(script)
      return Promise.resolve(0)
    },
  }
  return completion
}

/** Made from the table of commands, so that it can't lag behind it; undefined for an unknown shell. */
export function completionScript(shell: string, verbs: readonly Verb[]): string | undefined {
  switch (shell) {
    case 'bash':
      return bash(verbs)
    case 'zsh':
      // zsh runs bash's completions, which keeps one script right rather than two.
      return `autoload -Uz bashcompinit && bashcompinit\n${bash(verbs)}`
    case 'fish':
      return fish(verbs)
    default:
      return undefined
  }
}

function bash(verbs: readonly Verb[]): string {
  const flagCases = verbs.map(verb => `    ${verb.name}) words='${flagsOf(verb).flatMap(spellings).join(' ')}' ;;`)
  const choices = new Map<string, readonly string[]>()
  for (const flag of verbs.flatMap(flagsOf)) {
    const values = flag.choices ?? flag.hints
    if (values !== undefined) for (const spelling of spellings(flag)) choices.set(spelling, values)
  }
  const choiceCases = [...choices].map(
    ([spelling, values]) => `    ${spelling}) COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$current")); return ;;`,
  )
  const valued = new Set(
    verbs
      .flatMap(flagsOf)
      .filter(({ value }) => value !== undefined)
      .flatMap(spellings),
  ).difference(new Set(choices.keys()))
  return `_heddle() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${verbs.map(({ name }) => name).join(' ')}' -- "$current"))
    return
  fi
  case $before in
${choiceCases.join('\n')}
    ${[...valued].join('|')}) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  case \${COMP_WORDS[1]} in
${flagCases.join('\n')}
  esac
  case \${COMP_WORDS[1]}:$current in
    help:*) COMPREPLY=($(compgen -W '${verbs.map(({ name }) => name).join(' ')}' -- "$current")) ;;
    completion:*) COMPREPLY=($(compgen -W 'bash zsh fish' -- "$current")) ;;
    *:-*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _heddle heddle
`
}

function fish(verbs: readonly Verb[]): string {
  const lines = ['complete -c heddle -f']
  for (const verb of verbs) {
    lines.push(`complete -c heddle -n __fish_use_subcommand -a ${verb.name} -d ${quote(verb.summary)}`)
    for (const flag of flagsOf(verb)) {
      const parts = [`complete -c heddle -n '__fish_seen_subcommand_from ${verb.name}' -l ${flag.name}`]
      if (flag.short !== undefined) parts.push(`-s ${flag.short}`)
      const values = flag.choices ?? flag.hints
      if (values !== undefined) parts.push(`-x -a ${quote(values.join(' '))}`)
      else if (flag.value !== undefined) parts.push('-r -F')
      parts.push(`-d ${quote(flag.about)}`)
      lines.push(parts.join(' '))
    }
  }
  const names = verbs.map(({ name }) => name).join(' ')
  lines.push(`complete -c heddle -n '__fish_seen_subcommand_from help' -a ${quote(names)}`)
  lines.push("complete -c heddle -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'")
  return `${lines.join('\n')}\n`
}

function flagsOf(verb: Verb): readonly Flag[] {
  return [...verb.flags, helpFlag]
}

function spellings(flag: Flag): string[] {
  return flag.short === undefined ? [`--${flag.name}`] : [`--${flag.name}`, `-${flag.short}`]
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
