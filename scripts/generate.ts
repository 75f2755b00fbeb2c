/**
 * `node scripts/generate.ts [--check]`: writes the documents that repeat a
 * table of the sources. With `--check` it writes nothing and fails when a file
 * is not what it would write.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './files.ts'
import { errorsPage } from './pages/errors.ts'
import { limitsPage } from './pages/limits.ts'
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

for (const [name, body] of Object.entries(pages)) {
  const path = join('docs/reference', `${name}.md`)
  const text = notice + body
  if ((await readFile(join(root, path), 'utf8').catch(() => '')) === text) continue
  if (process.argv.includes('--check')) {
    console.error(`${path} is stale`)
    process.exitCode = 1
  } else {
    await writeFile(join(root, path), text)
    console.log(`wrote ${path}`)
  }
}
