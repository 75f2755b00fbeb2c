/**
 * Checks the documents: every relative link leads to a file (and heading) that
 * exists, and every YAML snippet and every example passes `heddle check`.
 */
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { filesBelow, root } from './files.ts'
import { run } from './run.ts'

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
        const { code, output } = await run(['bin/heddle', 'check', '-f', file])
        if (code !== 0)
          problems.push(`${path}: YAML snippet ${index + 1}: ${output.trim().replaceAll(`${folder}/`, '')}`)
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
    const { code, output } = await run(['bin/heddle', 'check', '-f', `examples/${entry.name}`])
    if (code !== 0) problems.push(output.trim())
  }
}
