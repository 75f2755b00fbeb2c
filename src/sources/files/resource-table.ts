import type { Problem } from '../../core/index.ts'
import { ResourceOrigin } from '../documents/source-document.ts'
import type { AnyResource } from '../schema/resource.ts'
import { FileResources } from './file-resources.ts'
import type { Entry, FileContent } from './file-resources.ts'
import { isSameConfiguration, isSameResource } from './same.ts'

/** Everything in force after a change. Immutable. */
export interface ResourceUpdate {
  /** By id, `HTTPRoute shop/cart`. A resource that did not change is the same object as before. */
  readonly resources: ReadonlyMap<string, AnyResource>
  /** Of all files, not only those that changed. */
  readonly problems: readonly Problem[]
  /** Ids of resources that are new, different or gone. */
  readonly changed: readonly string[]
}

export interface FileChange {
  readonly file: string
  readonly content: FileContent
}

/**
 * Puts the files' resources together: pure, no clock and no disk. Files count
 * in the order of their names, so that of two resources with one identity the
 * same one wins after every restart. It counts generations, since no API server
 * does: 1 for a new resource, one more whenever its configuration changes.
 */
export class ResourceTable {
  readonly #files = new Map<string, FileResources>()
  /** Undefined when a file has come or gone. */
  #order: readonly string[] | undefined = undefined
  #resources: ReadonlyMap<string, AnyResource> = new Map()

  update(changes: Iterable<FileChange>): ResourceUpdate {
    for (const { file, content } of changes) this.#set(file, content)
    this.#order ??= [...this.#files.keys()].toSorted(compareText)
    const problems: Problem[] = []
    const resources = new Map<string, AnyResource>()
    const changed: string[] = []
    for (const name of this.#order) {
      const file = this.#files.get(name)
      if (file === undefined) continue
      for (const problem of file.problems) problems.push(problem)
      for (const entry of file.entries) {
        const first = resources.get(entry.id)
        if (first !== undefined) {
          problems.push(duplicate(entry, first))
          continue
        }
        const previous = this.#resources.get(entry.id)
        const resource = settle(entry, previous)
        resources.set(entry.id, resource)
        if (resource !== previous) changed.push(entry.id)
      }
    }
    for (const id of this.#resources.keys()) if (!resources.has(id)) changed.push(id)
    this.#resources = resources
    return { resources, problems, changed }
  }

  #set(name: string, content: FileContent): void {
    if (content.kind === 'gone') {
      if (this.#files.delete(name)) this.#order = undefined
      return
    }
    let file = this.#files.get(name)
    if (file === undefined) {
      file = new FileResources(name)
      this.#files.set(name, file)
      this.#order = undefined
    }
    if (content.kind === 'text') file.setText(content.text)
    else if (content.kind === 'missing') file.setMissing(content.reason)
    else file.setUnreadable(content.reason)
  }
}

/** The object that stands for the entry from now on: the previous one if nothing differs. */
function settle(entry: Entry, previous: AnyResource | undefined): AnyResource {
  const next = entry.resource
  if (previous === undefined || previous === next) return next
  const hasMoved = previous.origin.file !== next.origin.file
  if (!hasMoved && isSameResource(previous, next)) {
    if (previous.origin instanceof ResourceOrigin && next.origin instanceof ResourceOrigin) {
      previous.origin.follow(next.origin)
    }
    entry.resource = previous
    return previous
  }
  const generation = isSameConfiguration(previous, next)
    ? previous.metadata.generation
    : Math.max(previous.metadata.generation + 1, next.metadata.generation)
  entry.resource = withGeneration(next, generation)
  return entry.resource
}

function withGeneration<R extends AnyResource>(resource: R, generation: number): R {
  return { ...resource, metadata: { ...resource.metadata, generation } }
}

function duplicate({ id, resource }: Entry, first: AnyResource): Problem {
  const { file, line } = resource.origin
  return {
    severity: 'error',
    resource: id,
    path: '',
    message: `is defined already at ${first.origin.file}:${first.origin.line}, which counts`,
    file,
    line,
    column: 1,
  }
}

/** Independent of the machine's language. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
