import { parseArgs } from 'node:util'

/**
 * Options of a command for developers, each with a value; what is wrong ends the process with how it is used.
 * @param defaults  by the option's name
 */
export function runOptions<Names extends string>(
  usage: string,
  defaults: Readonly<Record<Names, string>>,
): Readonly<Record<Names, string>> {
  const known = Object.entries<string>(defaults)
  const options = Object.fromEntries(known.map(([name, value]) => [name, { type: 'string', default: value } as const]))
  try {
    return parseArgs({ options }).values as Record<Names, string>
  } catch {
    return refuse(usage)
  }
}

/** Ends the process. */
export function refuse(usage: string): never {
  console.error(`usage: ${usage}`)
  process.exit(2)
}
