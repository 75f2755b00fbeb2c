import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root, absolute. */
export const root: string = fileURLToPath(new URL('..', import.meta.url))

/** Files below a folder of the repository that end in `suffix`, relative to the root, sorted; none if the folder is missing. */
export async function filesBelow(folder: string, suffix: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter(entry => entry.isFile() && entry.name.endsWith(suffix) && !entry.parentPath.includes('node_modules'))
    .map(entry => join(entry.parentPath, entry.name).slice(root.length))
    .sort()
}
