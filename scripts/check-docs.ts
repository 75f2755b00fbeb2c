/**
 * Checks the documents: every relative link leads to a file (and heading) that
 * exists, and every YAML snippet and every example passes what `heddle check` asks.
 */
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { formatProblem } from '../src/core/index.ts'
import { checkFiles } from '../src/daemon/index.ts'
import { filesBelow, root } from './files.ts'

const problems: string[] = []
const documents = [...(await filesBelow('docs', '.md')), ...(await topDocuments())]
const texts = new Map<string, string>()
for (const path of documents) texts.set(path, await readFile(join(root, path), 'utf8'))
for (const [path, text] of texts) checkLinks(path, text)
await checkSnippets()
await checkExamples()
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1

async function topDocuments(): Promise<readonly string[]> {
  const names = ['README', 'ARCHITECTURE', 'CONTRIBUTING', 'SECURITY', 'CHANGELOG'].map(name => `${name}.md`)
  return [...names.filter(name => existsSync(join(root, name))), ...(await filesBelow('examples', '.md'))]
}

function checkLinks(path: string, text: string): void {
  const prose = text.replace(/^```.*?^```/gms, '').replace(/`[^`\n]*`/g, '')
  for (const match of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
    const [target = '', heading] = (match[1] ?? '').split('#')
    if (/^[a-z]+:/.test(target)) continue
    const file = target === '' ? path : join(dirname(path), target)
    if (!existsSync(join(root, file))) problems.push(`${path}: ${match[1]} leads nowhere`)
    else if (heading !== undefined && !headingsOf(texts.get(file) ?? '').has(heading)) {
      problems.push(`${path}: ${file} has no heading #${heading}`)
    }
  }
}

/** Anchors as GitHub makes them. */
function headingsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const match of text.matchAll(/^#+ (.+)$/gm)) {
    const words = (match[1] ?? '').toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '')
    anchors.add(words.trim().replaceAll(' ', '-'))
  }
  return anchors
}

/** A snippet marked ```yaml stands for itself; one that is part of a file is marked ```yaml part and is not checked. */
async function checkSnippets(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-snippets-'))
  try {
    for (const [path, text] of texts) {
      for (const [index, match] of [...text.matchAll(/^```yaml\n(.*?)^```/gms)].entries()) {
        const file = join(folder, `${path.replaceAll('/', '-')}-${index + 1}.yaml`)
        await writeFile(file, match[1] ?? '')
        for (const error of await errorsIn(file)) problems.push(`${path}: YAML snippet ${index + 1}: ${error}`)
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function checkExamples(): Promise<void> {
  for (const entry of await readdir(join(root, 'examples'), { withFileTypes: true })) {
    // Some examples are programs.
    if (!entry.isDirectory() || (await filesBelow(`examples/${entry.name}`, '.yaml')).length === 0) continue
    problems.push(...(await errorsIn(join(root, 'examples', entry.name))))
  }
}

/** In this process: to start a program for each would take longer than all the rest. */
async function errorsIn(path: string): Promise<readonly string[]> {
  const report = await checkFiles([path])
  return report.problems
    .filter(({ severity }) => severity === 'error')
    .map(problem => formatProblem(problem).replaceAll(`${dirname(path)}/`, ''))
}
