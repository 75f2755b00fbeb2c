/**
 * The lock file pins versions and digests but names no registry, so that
 * whoever installs may use a mirror (`omit-lockfile-registry-resolved`).
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './files.ts'

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly resolved?: string; readonly integrity?: string }>>
}

for (const path of ['package-lock.json', 'bench/package-lock.json', 'test/guests/package-lock.json']) {
  const text = await readFile(join(root, path), 'utf8').catch(() => undefined)
  if (text === undefined) continue
  for (const [name, { resolved, integrity }] of Object.entries((JSON.parse(text) as LockFile).packages)) {
    if (name === '') continue
    if (resolved !== undefined)
      problem(`${path}: ${name} names ${resolved}; run npm install with the .npmrc of this repository`)
    if (integrity === undefined) problem(`${path}: ${name} has no integrity`)
  }
}

function problem(message: string): void {
  console.error(message)
  process.exitCode = 1
}
