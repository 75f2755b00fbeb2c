import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { messageOf, silentLogger } from '../../core/index.ts'
import type { Clock, Logger, Timer } from '../../core/index.ts'
import type { FileContent } from './file-resources.ts'
import { inBatches, readConfigFile } from './read-file.ts'
import type { Signature } from './read-file.ts'
import type { FileChange } from './resource-table.ts'
import { Scanner } from './scanner.ts'
import type { Scan, ScanFailure } from './scanner.ts'

export interface FileTreeOptions {
  /** Files and directories; relative ones start at the working directory. Files are reported as `path/below/it.yaml`. */
  readonly paths: readonly string[]
  readonly clock: Clock
  /** Called with what changed, never with nothing, never while a call is under way; first before `open` is done. */
  onChange(changes: readonly FileChange[]): void
  /** @default no log */
  readonly logger?: Logger
}

/** A save is several events: temporary file, rename, attributes. */
const settleMs = 20
/** Who never stops writing is read all the same. */
const maxSettleMs = 500
/** Some editors empty a file and then write it; what is empty for longer is meant so. */
const emptyMs = 250
/** For what gives no events: network file systems, links into unwatched places, an overrun event queue. */
const rescanMs = 30_000

/**
 * Watches configuration files. Events only say where to look; what changed is
 * decided by comparing signatures, so lost, doubled and reordered events do no
 * harm. Directories may be deleted and made again, saved by renaming, or be the
 * links of a mounted ConfigMap.
 */
export class FileTree implements AsyncDisposable {
  readonly #options: FileTreeOptions
  readonly #logger: Logger
  readonly #scanner: Scanner
  /** As given, by absolute path. */
  readonly #roots: ReadonlyMap<string, string>
  readonly #watchers = new Map<string, { readonly watcher: FSWatcher; readonly identity: string }>()
  readonly #signatures = new Map<string, Signature>()
  /** Of files and failures that were reported as unreadable or missing. */
  readonly #failures = new Map<string, string>()
  /** Empty files that had content, and until when they are not believed. */
  readonly #emptied = new Map<string, { readonly signature: Signature; readonly untilMs: number }>()
  #settle: Timer | undefined
  #firstEventMs: number | undefined
  #rescan: Timer | undefined
  #running: Promise<void> | undefined
  #isDirty = false
  #isClosed = false

  private constructor(options: FileTreeOptions) {
    this.#options = options
    this.#logger = options.logger ?? silentLogger
    this.#roots = new Map(options.paths.map(path => [resolve(path), path]))
    this.#scanner = new Scanner([...this.#roots.keys()], (directory, identity) => this.#watch(directory, identity))
  }

  /** Reads everything once, then watches until disposed. */
  static async open(options: FileTreeOptions): Promise<FileTree> {
    const tree = new FileTree(options)
    await tree.#run()
    tree.#rescan = options.clock
      .every(rescanMs, () => {
        tree.#scanner.markAll()
        tree.#start()
      })
      .unref()
    return tree
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#settle?.[Symbol.dispose]()
    this.#rescan?.[Symbol.dispose]()
    await this.#running
    for (const { watcher } of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  /** Waits until no event has come for a moment, then looks. */
  #schedule(delayMs: number = settleMs): void {
    if (this.#isClosed) return
    const now = this.#options.clock.nowMs()
    this.#firstEventMs ??= now
    if (now - this.#firstEventMs > maxSettleMs && this.#settle !== undefined) return
    this.#settle?.[Symbol.dispose]()
    this.#settle = this.#options.clock.after(delayMs, () => {
      this.#settle = undefined
      this.#firstEventMs = undefined
      this.#start()
    })
  }

  #start(): void {
    this.#isDirty = true
    if (this.#running !== undefined || this.#isClosed) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      if (this.#isDirty) this.#start()
    })
  }

  async #run(): Promise<void> {
    this.#isDirty = false
    try {
      const scan = await this.#scanner.scan()
      this.#unwatch(scan)
      const changes = await this.#compare(scan)
      if (changes.length > 0 && !this.#isClosed) this.#options.onChange(changes)
    } catch (error) {
      // Nothing above expects this, and the next event or rescan tries again.
      this.#logger.error('configuration files could not be looked at', { error: messageOf(error) })
    }
  }

  #unwatch(scan: Scan): void {
    for (const [directory, { watcher, identity }] of this.#watchers) {
      if (scan.directories.get(directory) === identity) continue
      watcher.close()
      this.#watchers.delete(directory)
    }
  }

  #watch(directory: string, identity: string): void {
    const known = this.#watchers.get(directory)
    if (known?.identity === identity || this.#isClosed) return
    known?.watcher.close()
    this.#watchers.delete(directory)
    try {
      const watcher = watch(directory, (_event, name) => {
        if (this.#scanner.mark(directory, name ?? undefined)) this.#schedule()
      })
      this.#watchers.set(directory, { watcher, identity })
      watcher.on('error', error => {
        this.#logger.warn('a configuration directory is not watched any more', { directory, error: error.message })
        watcher.close()
        if (this.#watchers.get(directory)?.watcher === watcher) this.#watchers.delete(directory)
        this.#scanner.markAll()
        this.#schedule(emptyMs)
      })
    } catch (error) {
      // Out of watches, or gone just now: the rescan serves.
      this.#logger.warn('a configuration directory cannot be watched; it is read every 30 seconds', {
        directory,
        error: messageOf(error),
      })
    }
  }

  async #compare(scan: Scan): Promise<FileChange[]> {
    const changes: FileChange[] = []
    for (const file of this.#signatures.keys()) {
      if (scan.files.has(file) || this.#isHidden(file, scan)) continue
      this.#signatures.delete(file)
      this.#emptied.delete(file)
      changes.push({ file: this.#nameOf(file), content: { kind: 'gone' } })
    }
    for (const path of this.#failures.keys()) {
      if (scan.failures.has(path)) continue
      this.#failures.delete(path)
      if (!scan.files.has(path)) changes.push({ file: this.#nameOf(path), content: { kind: 'gone' } })
    }
    const different = [...scan.files].filter(
      ([file, signature]) => this.#signatures.get(file) !== signature && !this.#isDoubtful(file, signature),
    )
    for (const change of await inBatches(different, ([file, signature]) => this.#read(file, signature))) {
      if (change !== undefined) changes.push(change)
    }
    for (const [path, { kind, reason }] of scan.failures) {
      if (this.#failures.get(path) === reason) continue
      this.#failures.set(path, reason)
      changes.push({ file: this.#nameOf(path), content: this.#failureOf(path, kind, reason) })
    }
    return changes
  }

  /**
   * Below a directory that cannot be read nothing is known to be gone. Nor is it
   * below a root that has vanished: whoever takes away all of a mesh's
   * configuration (an unmounted volume, a checkout of another branch) does not
   * mean to end its traffic.
   */
  #isHidden(file: string, scan: Scan): boolean {
    for (const path of scan.failures.keys()) if (isAtOrBelow(file, path)) return true
    return false
  }

  /** A root that is missing from the start holds nothing; one that vanished is as good as unreadable. */
  #failureOf(path: string, kind: ScanFailure['kind'], reason: string): FileContent {
    if (this.#signatures.has(path)) return { kind: 'unreadable', reason }
    const hides = [...this.#signatures.keys()].some(file => isAtOrBelow(file, path))
    return hides ? { kind: 'unreadable', reason: `${reason}; what was below it stays in force` } : { kind, reason }
  }

  #isDoubtful(file: string, signature: Signature): boolean {
    const emptied = this.#emptied.get(file)
    if (emptied === undefined || emptied.signature !== signature) return false
    const leftMs = emptied.untilMs - this.#options.clock.nowMs()
    if (leftMs > 0) this.#schedule(leftMs)
    return leftMs > 0
  }

  async #read(file: string, signature: Signature): Promise<FileChange | undefined> {
    const read = await readConfigFile(file)
    if (read === undefined) {
      // Gone since the scan; the event for that is on its way.
      if (!this.#signatures.delete(file)) return undefined
      return { file: this.#nameOf(file), content: { kind: 'gone' } }
    }
    const isEmpty = read.content.kind === 'text' && read.content.text === ''
    if (isEmpty && this.#signatures.has(file) && !this.#emptied.has(file)) {
      this.#emptied.set(file, { signature: read.signature, untilMs: this.#options.clock.nowMs() + emptyMs })
      this.#schedule(emptyMs)
      return undefined
    }
    this.#emptied.delete(file)
    this.#signatures.set(file, read.signature === '' ? signature : read.signature)
    return { file: this.#nameOf(file), content: read.content }
  }

  /** Under the root as the user wrote it. */
  #nameOf(path: string): string {
    for (const [root, given] of this.#roots) {
      if (path === root) return given
      if (path.startsWith(root === '/' ? root : `${root}/`)) return join(given, relative(root, path))
    }
    return path
  }
}

function isAtOrBelow(file: string, path: string): boolean {
  return file === path || file.startsWith(`${path}/`)
}
