/** `npm run build`: writes dist/, JavaScript without tests, for the npm package. A checkout runs the sources. */
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { root } from './files.ts'
import { run } from './run.ts'

const dist = join(root, 'dist')
await rm(dist, { recursive: true, force: true })
// The second writes the types of what other packages may import.
for (const project of ['tsconfig.build.json', 'tsconfig.libraries.json']) {
  const { code, output } = await run([process.execPath, 'node_modules/typescript/bin/tsc', '-p', project])
  if (code === 0) continue
  console.error(output)
  process.exit(1)
}
// What is not code goes along: pages, tables.
for (const entry of await readdir(join(root, 'src'), { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || /\.(ts|snapshot)$/.test(entry.name)) continue
  const source = join(entry.parentPath, entry.name)
  const target = join(dist, relative(join(root, 'src'), source))
  await mkdir(dirname(target), { recursive: true })
  await copyFile(source, target)
}
