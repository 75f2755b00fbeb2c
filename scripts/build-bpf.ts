/**
 * `node scripts/build-bpf.ts [--check] [PART-OF-A-PATH …]`: compiles bpf/**\/*.bpf.c and those of examples/ to objects beside them.
 *
 * The objects are committed, so that neither users nor tests need a compiler.
 * `--check` compiles to a scratch folder and compares: byte for byte, and
 * where that differs, by what would be loaded (instructions, maps, data),
 * since another patch level of clang or another machine's kernel headers may
 * move names and lines without changing a program.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { readObject } from '../src/kernel/ebpf/object-spec.ts'
import { filesBelow, root } from './files.ts'

/** Other majors write other code; scripts/install-test-packages.sh installs this one. */
const clangMajor = 14

/** linux/types.h wants asm/types.h, which Debian keeps by architecture. */
const headers = ['/usr/include/x86_64-linux-gnu', '/usr/include/aarch64-linux-gnu'].filter(path => existsSync(path))

const { values, positionals } = parseArgs({
  options: { check: { type: 'boolean', default: false } },
  allowPositionals: true,
})

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { cwd: root, encoding: 'utf8' })
  if (error !== undefined) {
    console.error(`${program}: ${error.message}; sh scripts/install-test-packages.sh installs it`)
    process.exit(1)
  }
  if (status !== 0) {
    console.error(`${program} ${args.join(' ')}\n${stderr}`)
    process.exit(1)
  }
}

/** @param source  relative to the root, so that no path of this machine gets into the object */
function compile(source: string, target: string): void {
  const includes = ['bpf', ...headers].map(path => `-I${path}`)
  const language = ['-target', 'bpf', '-mcpu=v3', '-g', '-O2', '-std=gnu11', '-Wall', '-Wextra', '-Werror']
  run(`clang-${clangMajor}`, [
    ...language,
    '-Wno-unused-parameter',
    '-fdebug-compilation-dir=.',
    ...includes,
    '-c',
    source,
    '-o',
    target,
  ])
  // Removes DWARF; BTF with its lines stays.
  run(`llvm-strip-${clangMajor}`, ['-g', target])
}

/** All that reaches the kernel and decides what happens there. */
function meaning(file: Uint8Array): unknown {
  const { license, maps, globals, programs } = readObject(file, { name: 'object' })
  return {
    license,
    maps: maps.map(({ keyType: _key, valueType: _value, inner, ...map }) => ({ ...map, inner: inner?.kind })),
    globals: globals.map(({ name, bytes, variables }) => ({
      name,
      bytes: Buffer.from(bytes).toString('hex'),
      variables: variables.map(({ type: _type, ...variable }) => variable),
    })),
    programs: programs.map(({ name, section, instructions, references }) => ({
      name,
      section,
      instructions: Buffer.from(instructions).toString('hex'),
      references,
    })),
  }
}

async function compare(source: string, committed: string, folder: string): Promise<string | undefined> {
  const fresh = join(folder, basename(committed))
  compile(source, fresh)
  const [built, kept] = await Promise.all([readFile(fresh), readFile(join(root, committed)).catch(() => undefined)])
  if (kept === undefined) return `${committed} is missing`
  if (built.equals(kept)) return undefined
  if (JSON.stringify(meaning(built)) !== JSON.stringify(meaning(kept)))
    return `${committed} is not what ${source} compiles to`
  console.log(`${committed}: other names or lines than compiled here, the same programs`)
  return undefined
}

const sources = [...(await filesBelow('bpf', '.bpf.c')), ...(await filesBelow('examples', '.bpf.c'))].filter(
  path => positionals.length === 0 || positionals.some(part => path.includes(part)),
)
if (values.check) {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-bpf-'))
  try {
    const problems: string[] = []
    for (const source of sources) {
      const problem = await compare(source, source.replace(/\.c$/, '.o'), folder)
      if (problem !== undefined) problems.push(problem)
    }
    for (const problem of problems) console.error(`${problem}: run node scripts/build-bpf.ts`)
    if (problems.length > 0) process.exitCode = 1
    else console.log(`${sources.length} objects are as their sources`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
} else {
  for (const source of sources) compile(source, source.replace(/\.c$/, '.o'))
}
