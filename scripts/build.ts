/** `npm run build`: writes dist/ for the npm package. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './files.ts'
import { run } from './run.ts'

await rm(join(root, 'dist'), { recursive: true, force: true })
// What other packages may import, file by file, with its types.
await succeed([process.execPath, 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'])
await succeed(['scripts/bundle-agent.sh'])

async function succeed(command: readonly string[]): Promise<void> {
  const { code, output } = await run(command)
  if (code === 0) return
  console.error(output)
  process.exit(1)
}
