import type { BigIntStats } from 'node:fs'
import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { messageOf } from '../../core/index.ts'
import { inBatches, isMissing, signatureOf } from './read-file.ts'
import type { Signature } from './read-file.ts'

/** What there is, without contents. */
export interface Scan {
  /** Files by the name they are reported under. */
  readonly files: ReadonlyMap<string, Signature>
  /** Directories to watch, with what tells a re-created one from the one before. */
  readonly directories: ReadonlyMap<string, string>
  /** Roots and directories that give no files, and why. */
  readonly failures: ReadonlyMap<string, ScanFailure>
}

export interface ScanFailure {
  readonly kind: 'missing' | 'unreadable'
  readonly reason: string
}

interface FoundFile {
  readonly signature: Signature
  /** Without links: two names of one file count once. */
  readonly real: string
}

/** One directory as last read. */
interface Listing {
  readonly real: string
  readonly identity: string
  readonly files: Map<string, FoundFile>
  readonly directories: Set<string>
  readonly failures: Map<string, string>
}

const extensions: ReadonlySet<string> = new Set(['.yaml', '.yml', '.json'])

/**
 * Hidden names are editors' and version control's; Kubernetes too hides what
 * stands behind a mounted ConfigMap (`..data`), whose files are reached by the
 * visible links beside it.
 */
function isIgnored(name: string): boolean {
  return name.startsWith('.') || name === 'node_modules'
}

/**
 * Walks the roots: a file counts whatever its name, a directory with all that
 * is below. Links are followed, each directory once, so that a link to a parent
 * ends. A scan looks only at what was marked since the last one, since a tree
 * may have ten thousand files and a save touches one.
 */
export class Scanner {
  readonly #roots: readonly string[]
  readonly #watch: (directory: string, identity: string) => void
  readonly #listings = new Map<string, Listing>()
  /** Names to look at again by directory; `all` where the directory itself is to be read. */
  #marked = new Map<string, Set<string> | 'all'>()

  /** @param watch  called for a directory before it is read, so that no change falls between */
  constructor(roots: readonly string[], watch: (directory: string, identity: string) => void) {
    this.#roots = roots
    this.#watch = watch
  }

  /**
   * Something happened to `name` in a watched directory; undefined when it is
   * not known to what.
   *
   * @returns whether a scan is worth it
   */
  mark(directory: string, name: string | undefined): boolean {
    const listing = this.#listings.get(directory)
    if (name === undefined || listing === undefined) {
      // The directory of a root, or the home of a file that a link leads to.
      if (name !== undefined && this.#isBesideRoots(directory, name)) return false
      this.#markLinks()
      if (listing !== undefined) this.#marked.set(directory, 'all')
      return true
    }
    if (isIgnored(name)) {
      if (!hasLinks(listing)) return this.#roots.includes(join(directory, name))
      this.#marked.set(directory, 'all')
      return true
    }
    const names = this.#marked.get(directory)
    if (names === undefined) this.#marked.set(directory, new Set([name]))
    else if (names !== 'all') names.add(name)
    return true
  }

  /** The next scan reads everything again. */
  markAll(): void {
    this.#listings.clear()
  }

  async scan(): Promise<Scan> {
    // What is marked from now on is for the next scan.
    const marked = this.#marked
    this.#marked = new Map()
    const scan: Draft = { files: new Map(), directories: new Map(), failures: new Map(), seen: new Set(), marked }
    for (const root of this.#roots) await this.#root(root, scan)
    for (const directory of this.#listings.keys()) {
      if (!scan.directories.has(directory)) this.#listings.delete(directory)
    }
    return scan
  }

  /** A busy neighbour of the roots, like another file in /tmp. */
  #isBesideRoots(directory: string, name: string): boolean {
    const parents = this.#roots.filter(root => dirname(root) === directory)
    if (parents.length === 0 || this.#isHomeOfLink(directory)) return false
    return !parents.some(root => basename(root) === name)
  }

  #isHomeOfLink(directory: string): boolean {
    for (const listing of this.#listings.values()) {
      for (const { real } of listing.files.values()) {
        if (dirname(real) === directory && listing.real !== directory) return true
      }
    }
    return false
  }

  #markLinks(): void {
    for (const [directory, listing] of this.#listings) if (hasLinks(listing)) this.#marked.set(directory, 'all')
  }

  async #root(root: string, scan: Draft): Promise<void> {
    // The directory above tells when the root comes, goes or is replaced.
    await this.#watchNearest(dirname(root), scan)
    try {
      const stats = await stat(root, { bigint: true })
      if (stats.isDirectory()) await this.#directory(root, identityOf(stats), scan)
      else if (stats.isFile()) {
        const file = { signature: signatureOf(stats), real: await realpath(root) }
        if (this.#addFile(root, file, scan)) await this.#watchHome(file, await realpath(dirname(root)), scan)
      } else scan.failures.set(root, { kind: 'missing', reason: 'is neither a file nor a directory' })
    } catch (error) {
      scan.failures.set(
        root,
        isMissing(error) ? { kind: 'missing', reason: 'does not exist' } : { kind: 'unreadable', reason: why(error) },
      )
    }
  }

  async #watchNearest(directory: string, scan: Draft): Promise<void> {
    for (let candidate = directory; ; candidate = dirname(candidate)) {
      try {
        const stats = await stat(candidate, { bigint: true })
        if (stats.isDirectory()) {
          this.#addDirectory(candidate, identityOf(stats), scan)
          return
        }
      } catch {
        // One level up, then.
      }
      if (candidate === dirname(candidate)) return
    }
  }

  /** @param identity  of what stands there now, if the caller knows */
  async #directory(directory: string, identity: string | undefined, scan: Draft): Promise<void> {
    const listing = await this.#listing(directory, identity, scan)
    if (listing === undefined || scan.seen.has(listing.real)) return
    scan.seen.add(listing.real)
    scan.directories.set(directory, listing.identity)
    for (const [name, reason] of listing.failures) {
      scan.failures.set(join(directory, name), { kind: 'unreadable', reason })
    }
    for (const [name, file] of listing.files) {
      const isNew = this.#addFile(join(directory, name), file, scan)
      // Asked for links alone: to wait for each of ten thousand files takes longer than all the rest.
      if (isNew && !isIn(file, listing.real)) await this.#watchHome(file, listing.real, scan)
    }
    for (const name of listing.directories) await this.#directory(join(directory, name), undefined, scan)
  }

  async #listing(directory: string, identity: string | undefined, scan: Draft): Promise<Listing | undefined> {
    const known = this.#listings.get(directory)
    const marked = scan.marked.get(directory)
    if (known !== undefined && marked !== 'all' && (identity === undefined || identity === known.identity)) {
      await this.#lookAt(directory, [...(marked ?? [])], known)
      return known
    }
    try {
      const real = await realpath(directory)
      const listing: Listing = {
        real,
        identity: identity ?? identityOf(await stat(directory, { bigint: true })),
        files: new Map(),
        directories: new Set(),
        failures: new Map(),
      }
      this.#watch(directory, listing.identity)
      const names = await readdir(directory)
      await this.#lookAt(directory, names.filter(name => !isIgnored(name)).toSorted(), listing)
      this.#listings.set(directory, listing)
      return listing
    } catch (error) {
      this.#listings.delete(directory)
      if (!isMissing(error)) scan.failures.set(directory, { kind: 'unreadable', reason: why(error) })
      return undefined
    }
  }

  /** Brings names of a listing up to date. */
  async #lookAt(directory: string, names: readonly string[], listing: Listing): Promise<void> {
    const found = await inBatches(names, name => look(join(directory, name), join(listing.real, name)))
    for (const [index, name] of names.entries()) {
      const what = found[index]
      listing.files.delete(name)
      listing.directories.delete(name)
      listing.failures.delete(name)
      if (what === undefined) continue
      if (what.kind === 'file') listing.files.set(name, what)
      else if (what.kind === 'failure') listing.failures.set(name, what.reason)
      else {
        // It may be another one than before.
        this.#forget(join(directory, name))
        listing.directories.add(name)
      }
    }
  }

  #forget(directory: string): void {
    for (const known of this.#listings.keys()) {
      if (known === directory || known.startsWith(`${directory}/`)) this.#listings.delete(known)
    }
  }

  #addDirectory(directory: string, identity: string, scan: Draft): void {
    if (scan.directories.has(directory)) return
    scan.directories.set(directory, identity)
    this.#watch(directory, identity)
  }

  /** @returns false when it was found under another name */
  #addFile(path: string, { real, signature }: FoundFile, scan: Draft): boolean {
    if (scan.seen.has(real)) return false
    scan.seen.add(real)
    scan.files.set(path, signature)
    return true
  }

  /** The file behind a link may be edited where it is. @param parent  where the link is, without links */
  async #watchHome({ real }: FoundFile, parent: string, scan: Draft): Promise<void> {
    const home = dirname(real)
    if (home === parent || scan.directories.has(home)) return
    try {
      this.#addDirectory(home, identityOf(await stat(home, { bigint: true })), scan)
    } catch {
      // Gone meanwhile: the next scan sees the link lead nowhere.
    }
  }
}

interface Draft extends Scan {
  readonly files: Map<string, Signature>
  readonly directories: Map<string, string>
  readonly failures: Map<string, ScanFailure>
  /** Real paths of files and directories. */
  readonly seen: Set<string>
  readonly marked: ReadonlyMap<string, ReadonlySet<string> | 'all'>
}

type Found =
  | ({ readonly kind: 'file' } & FoundFile)
  | { readonly kind: 'directory' }
  | { readonly kind: 'failure'; readonly reason: string }

/** @param real  the path without links, unless it is one itself */
async function look(path: string, real: string): Promise<Found | undefined> {
  try {
    const own = await lstat(path, { bigint: true })
    const isLink = own.isSymbolicLink()
    const stats = isLink ? await stat(path, { bigint: true }) : own
    if (stats.isDirectory()) return { kind: 'directory' }
    if (!stats.isFile() || !extensions.has(extname(path))) return undefined
    return { kind: 'file', signature: signatureOf(stats), real: isLink ? await realpath(path) : real }
  } catch (error) {
    // Gone since, or a link to nothing: an editor's lock, for example.
    return isMissing(error) ? undefined : { kind: 'failure', reason: why(error) }
  }
}

function hasLinks(listing: Listing): boolean {
  for (const file of listing.files.values()) if (!isIn(file, listing.real)) return true
  return false
}

function isIn({ real }: FoundFile, directory: string): boolean {
  return dirname(real) === directory
}

/** With the time of birth, since file systems give the number of a deleted directory to the next one. */
function identityOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.birthtimeNs}`
}

function why(error: unknown): string {
  return `cannot be read: ${messageOf(error)}`
}
