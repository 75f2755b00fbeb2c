/**
 * `node scripts/build-guests.ts [--check] [PART-OF-A-PATH …]`: compiles the plugins of test/guests and examples/plugins, *.cc and assembly/*.ts,
 * to modules beside them.
 *
 * The modules are committed, so that tests need no compiler. `--check` compiles
 * to a scratch folder and compares byte for byte.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { filesBelow, root } from './files.ts'

/** Other majors write other code; scripts/install-test-packages.sh installs this one, with its linker. */
const clangMajor = 14

const { values, positionals } = parseArgs({
  options: { check: { type: 'boolean', default: false } },
  allowPositionals: true,
})

interface Build {
  readonly source: string
  /** Relative to the root. */
  readonly target: string
  readonly command: (target: string) => readonly string[]
}

/** @returns whether it did what it should; if not, that is told */
function run([program = '', ...args]: readonly string[], cwd: string): boolean {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' })
  if (error === undefined && status === 0) return true
  console.error(
    error === undefined ? `${program} ${args.join(' ')}\n${stdout}${stderr}` : `${program}: ${error.message}`,
  )
  return false
}

/** Those that are for debuggers keep what these read. */
function isDebugged(source: string): boolean {
  return basename(source).startsWith('debugged.')
}

/** Leaves the texts of the compiler's own library out of a source map. */
async function forgetLibrary(path: string): Promise<void> {
  const map = JSON.parse(await readFile(path, 'utf8')) as { sources: string[]; sourcesContent: (string | null)[] }
  map.sourcesContent = map.sourcesContent.map((text, index) => (map.sources[index]?.startsWith('~lib/') ? null : text))
  await writeFile(path, `${JSON.stringify(map)}\n`)
}

function cpp(source: string, target: string, flags: readonly string[] = []): Build {
  const language = [
    '--target=wasm32',
    '-std=c++20',
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-Wno-deprecated-volatile',
    '-mbulk-memory',
  ]
  const freestanding = ['-nostdlib', '-ffreestanding', '-fno-exceptions', '-fno-rtti', '-fno-builtin']
  const linker = ['-Wl,--no-entry', '-Wl,-z,stack-size=65536']
  const debugging = isDebugged(source) ? ['-g', '-O0', '-fdebug-compilation-dir=.'] : ['-Wl,--strip-debug']
  return {
    source,
    target,
    command: path => [
      `clang++-${clangMajor}`,
      ...language,
      ...freestanding,
      ...linker,
      ...debugging,
      ...flags,
      source,
      '-o',
      path,
    ],
  }
}

/** The probe speaks all three versions of the ABI. */
function cppBuilds(source: string): readonly Build[] {
  const target = source.replace(/\.cc$/, '.wasm')
  if (!source.endsWith('/probe.cc')) return [cpp(source, target)]
  return ['100', '200', '210'].map(abi => cpp(source, target.replace('probe', `probe-${abi}`), [`-DABI=${abi}`]))
}

/** The compiler and the SDK are packages of test/guests, which only this script needs: `npm ci --prefix test/guests`. */
function assemblyBuild(source: string): Build {
  const name = basename(source, '.ts')
  const isExample = source.startsWith('examples/')
  const target = isExample ? `examples/plugins/${name}.wasm` : `test/guests/assembly-${name}.wasm`
  const options = ['--target', 'release', '--config', 'asconfig.json', '--path', 'node_modules']
  if (isDebugged(source)) options.push('--sourceMap', '--debug', '--runtime', 'stub')
  const from = relative('test/guests', source)
  return {
    source,
    target,
    command: path => ['node', 'node_modules/assemblyscript/bin/asc.js', from, ...options, '-o', path],
  }
}

const folders = ['test/guests', 'examples/plugins']
const sources = await Promise.all(
  folders.map(async folder => [
    ...(await filesBelow(folder, '.cc')).flatMap(cppBuilds),
    // What they share is in folders below.
    ...(await filesBelow(`${folder}/assembly`, '.ts'))
      .filter(path => basename(dirname(path)) === 'assembly')
      .map(assemblyBuild),
  ]),
)
const all = sources
  .flat()
  .filter(({ source }) => positionals.length === 0 || positionals.some(part => source.includes(part)))

const folder = values.check ? await mkdtemp(join(tmpdir(), 'heddle-guests-')) : undefined
try {
  for (const { source, target, command } of all) {
    const isAssembly = source.endsWith('.ts')
    const cwd = isAssembly ? join(root, 'test/guests') : root
    if (isAssembly && !existsSync(join(cwd, 'node_modules'))) {
      console.error('npm ci --prefix test/guests installs the compiler of AssemblyScript')
      process.exitCode = 1
      break
    }
    const path = folder === undefined ? join(root, target) : join(folder, basename(target))
    if (!run(command(path), cwd)) {
      process.exitCode = 1
      break
    }
    if (isAssembly && isDebugged(source)) await forgetLibrary(`${path}.map`)
    if (folder === undefined) continue
    const [built, kept] = await Promise.all([readFile(path), readFile(join(root, target)).catch(() => undefined)])
    if (kept !== undefined && built.equals(kept)) continue
    console.error(`${target} is not what ${source} compiles to: run node scripts/build-guests.ts`)
    process.exitCode = 1
  }
} finally {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
}
if (process.exitCode === undefined)
  console.log(`${all.length} plugins are ${values.check ? 'as their sources' : 'built'}`)
