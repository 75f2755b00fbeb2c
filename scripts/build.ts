/** `npm run build`: writes dist/ for the npm package. A checkout runs the sources. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './files.ts'
import { run } from './run.ts'

await rm(join(root, 'dist'), { recursive: true, force: true })
// What other packages may import, file by file, with its types.
await succeed([process.execPath, 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'])
// The agent in a few files: of a thousand, reading each is most of a start. What belongs to the package is two folders up,
// as it is from those of the sources.
await succeed([
  'node_modules/esbuild/bin/esbuild',
  'src/cli/main.ts',
  'src/daemon/worker.ts',
  'src/kernel/keeper/keeper-process.ts',
  '--bundle',
  '--splitting',
  '--packages=external',
  '--format=esm',
  '--platform=node',
  '--target=node26',
  '--outdir=dist/agent',
  '--entry-names=[name]',
  '--chunk-names=[hash]',
  '--log-level=warning',
])

async function succeed(command: readonly string[]): Promise<void> {
  const { code, output } = await run(command)
  if (code === 0) return
  console.error(output)
  process.exit(1)
}
