/**
 * `node scripts/generate.ts [--check]`: writes the documents that repeat a
 * table of the sources, and the types of kernel programs. With `--check` it writes nothing and fails when a file
 * is not what it would write.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './files.ts'
import { errorsPage } from './pages/errors.ts'
import { limitsPage } from './pages/limits.ts'
import { datapathTypes, kernelHttpTypes } from './pages/datapath-types.ts'
import { accessLogPage, commandsPage, metricsPage, responsesPage, settingsPage } from './pages/tables.ts'

const notice = '<!-- Written by scripts/generate.ts; change the sources instead. -->\n\n'

const pages: Readonly<Record<string, string>> = {
  'access-log': accessLogPage(),
  cli: commandsPage(),
  errors: await errorsPage(),
  limits: await limitsPage(),
  metrics: metricsPage(),
  responses: responsesPage(),
  settings: settingsPage(),
}

const files: readonly (readonly [path: string, text: string])[] = [
  ...Object.entries(pages).map(([name, body]) => [join('docs/reference', `${name}.md`), notice + body] as const),
  ['src/datapath/generated/sockets.ts', await datapathTypes()],
  ['src/kernel-http/generated/http.ts', await kernelHttpTypes()],
]

for (const [path, text] of files) {
  if ((await readFile(join(root, path), 'utf8').catch(() => '')) === text) continue
  if (process.argv.includes('--check')) {
    console.error(`${path} is stale`)
    process.exitCode = 1
  } else {
    await writeFile(join(root, path), text)
    console.log(`wrote ${path}`)
  }
}
