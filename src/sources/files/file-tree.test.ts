import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../../core/index.ts'
import { FileTree } from './file-tree.ts'
import { maxFileBytes } from './read-file.ts'
import type { FileChange } from './resource-table.ts'

/** A directory with a tree over it, and the state that the changes told of add up to. */
class Fixture implements AsyncDisposable {
  readonly directory: string
  readonly #state = new Map<string, string>()
  #tree: FileTree | undefined
  #calls = 0
  #wake: () => void = () => {}

  private constructor(directory: string) {
    this.directory = directory
  }

  static async make(files: Readonly<Record<string, string>>): Promise<Fixture> {
    const fixture = new Fixture(await mkdtemp(join(tmpdir(), 'heddle-tree-')))
    for (const [name, text] of Object.entries(files)) await fixture.write(name, text)
    return fixture
  }

  async open(...names: readonly string[]): Promise<this> {
    const paths = names.map(name => join(this.directory, name))
    this.#tree = await FileTree.open({ paths, clock: systemClock, onChange: changes => this.#take(changes) })
    return this
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  async write(name: string, text: string): Promise<void> {
    await mkdir(join(this.path(name), '..'), { recursive: true })
    await writeFile(this.path(name), text)
  }

  /** Texts by name; other contents as `(kind)`. */
  get state(): Record<string, string> {
    return Object.fromEntries([...this.#state].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }

  get calls(): number {
    return this.#calls
  }

  /** Waits until the changes add up to this; the time limit of the test ends a wait in vain. */
  async becomes(expected: Readonly<Record<string, string>>): Promise<void> {
    const wanted = JSON.stringify(expected)
    while (JSON.stringify(this.state) !== wanted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tree?.[Symbol.asyncDispose]()
    await rm(this.directory, { recursive: true, force: true })
  }

  #take(changes: readonly FileChange[]): void {
    assert.ok(changes.length > 0)
    this.#calls++
    for (const { file, content } of changes) {
      const name = relative(this.directory, file)
      if (content.kind === 'gone') this.#state.delete(name)
      else this.#state.set(name, content.kind === 'text' ? content.text : `(${content.kind}: ${content.reason})`)
    }
    this.#wake()
  }
}

const options = { timeout: 10_000 }

describe('open()', options, () => {
  test('reads YAML and JSON below a directory, and nothing hidden', async () => {
    await using tree = await Fixture.make({
      'a.yaml': '1',
      'b.yml': '2',
      'c.json': '3',
      'd.txt': 'no',
      'deep/er/e.yaml': '5',
      '.hidden/f.yaml': 'no',
      '.g.yaml': 'no',
      'node_modules/h/h.yaml': 'no',
    })
    await tree.open('')
    assert.deepEqual(tree.state, { 'a.yaml': '1', 'b.yml': '2', 'c.json': '3', 'deep/er/e.yaml': '5' })
    assert.equal(tree.calls, 1)
  })

  test('reads a named file whatever its name, and each file once', async () => {
    await using tree = await Fixture.make({ conf: '1', 'sub/a.yaml': '2' })
    await tree.open('conf', 'sub', 'sub/a.yaml')
    assert.deepEqual(tree.state, { conf: '1', 'sub/a.yaml': '2' })
  })

  test('tells of a path that is not there, of text that is none, and of a file too large', async () => {
    await using tree = await Fixture.make({ 'sub/large.yaml': '', 'sub/latin.yaml': '' })
    await truncate(tree.path('sub/large.yaml'), maxFileBytes + 1)
    await writeFile(tree.path('sub/latin.yaml'), Buffer.from([0x61, 0xff, 0xfe]))
    await tree.open('sub', 'missing.yaml')
    assert.deepEqual(tree.state, {
      'missing.yaml': '(missing: does not exist)',
      'sub/large.yaml': '(unreadable: has 65 MiB, at most 64 are read)',
      'sub/latin.yaml': '(unreadable: is not UTF-8 text)',
    })
  })

  test('does not walk in circles', async () => {
    await using tree = await Fixture.make({ 'a/x.yaml': '1' })
    await symlink('..', tree.path('a/up'))
    await symlink('nowhere', tree.path('a/broken.yaml'))
    await tree.open('')
    assert.deepEqual(tree.state, { 'a/x.yaml': '1' })
  })
})

describe('watching', options, () => {
  test('sees a file written, added and deleted', async () => {
    await using tree = await Fixture.make({ 'a.yaml': '1' })
    await tree.open('')
    await tree.write('a.yaml', '2')
    await tree.becomes({ 'a.yaml': '2' })
    await tree.write('b.yaml', '3')
    await tree.becomes({ 'a.yaml': '2', 'b.yaml': '3' })
    await unlink(tree.path('a.yaml'))
    await tree.becomes({ 'b.yaml': '3' })
  })

  test('sees a save by renaming as one change, not as a deletion', async () => {
    await using tree = await Fixture.make({ 'a.yaml': '1' })
    await tree.open('')
    await tree.write('.a.yaml.tmp', '2')
    await rename(tree.path('.a.yaml.tmp'), tree.path('a.yaml'))
    await tree.becomes({ 'a.yaml': '2' })
    assert.equal(tree.calls, 2)
  })

  test('sees a named file that an editor replaces', async () => {
    await using tree = await Fixture.make({ 'conf/a.yaml': '1', 'conf/b.yaml': 'no' })
    await tree.open('conf/a.yaml')
    await rename(tree.path('conf/a.yaml'), tree.path('conf/a.yaml~'))
    await tree.write('conf/a.yaml', '2')
    await tree.becomes({ 'conf/a.yaml': '2' })
    await unlink(tree.path('conf/a.yaml'))
    await tree.becomes({ 'conf/a.yaml': '(unreadable: does not exist)' })
    await tree.write('conf/a.yaml', '3')
    await tree.becomes({ 'conf/a.yaml': '3' })
  })

  test('sees files in new directories, and in those made again', async () => {
    await using tree = await Fixture.make({ 'sub/deep/a.yaml': '1' })
    await tree.open('')
    await tree.write('new/er/b.yaml', '2')
    await tree.becomes({ 'new/er/b.yaml': '2', 'sub/deep/a.yaml': '1' })
    await rm(tree.path('sub'), { recursive: true })
    await tree.becomes({ 'new/er/b.yaml': '2' })
    await tree.write('sub/deep/a.yaml', '3')
    await tree.becomes({ 'new/er/b.yaml': '2', 'sub/deep/a.yaml': '3' })
    await tree.write('sub/deep/a.yaml', '4')
    await tree.becomes({ 'new/er/b.yaml': '2', 'sub/deep/a.yaml': '4' })
  })

  test('sees a root made again, and takes nothing for deleted in between', async () => {
    await using tree = await Fixture.make({ 'root/sub/a.yaml': '1', 'root/b.yaml': '1' })
    await tree.open('root')
    await rename(tree.path('root'), tree.path('other'))
    await tree.becomes({
      root: '(unreadable: does not exist; what was below it stays in force)',
      'root/b.yaml': '1',
      'root/sub/a.yaml': '1',
    })
    await tree.write('root/sub/a.yaml', '2')
    await tree.becomes({ 'root/sub/a.yaml': '2' })
    await tree.write('root/sub/a.yaml', '3')
    await tree.becomes({ 'root/sub/a.yaml': '3' })
  })

  test('sees a root come whose parents were not there', async () => {
    await using tree = await Fixture.make({})
    await tree.open('far/away/root')
    await tree.write('far/away/root/a.yaml', '1')
    await tree.becomes({ 'far/away/root/a.yaml': '1' })
  })

  test('sees the swap of a mounted ConfigMap', async () => {
    await using tree = await Fixture.make({
      '..1/a.yaml': '1',
      '..1/b.yaml': '1',
      '..2/a.yaml': '2',
      '..2/b.yaml': '2',
    })
    await symlink('..1', tree.path('..data'))
    await symlink('..data/a.yaml', tree.path('a.yaml'))
    await symlink('..data/b.yaml', tree.path('b.yaml'))
    await tree.open('')
    assert.deepEqual(tree.state, { 'a.yaml': '1', 'b.yaml': '1' })
    await symlink('..2', tree.path('..data_tmp'))
    await rename(tree.path('..data_tmp'), tree.path('..data'))
    await tree.becomes({ 'a.yaml': '2', 'b.yaml': '2' })
    assert.equal(tree.calls, 2)
  })

  test('sees a change behind a link', async () => {
    await using tree = await Fixture.make({ 'home/real.yaml': '1', 'root/b.yaml': 'b' })
    await symlink('../home/real.yaml', tree.path('root/a.yaml'))
    await tree.open('root')
    await tree.write('home/real.yaml', '2')
    await tree.becomes({ 'root/a.yaml': '2', 'root/b.yaml': 'b' })
  })

  test('does not believe at once that a file is empty', async () => {
    await using tree = await Fixture.make({ 'a.yaml': '1', 'b.yaml': '1' })
    await tree.open('')
    await truncate(tree.path('a.yaml'))
    await tree.write('b.yaml', '2')
    await tree.becomes({ 'a.yaml': '1', 'b.yaml': '2' })
    await tree.becomes({ 'a.yaml': '', 'b.yaml': '2' })
    await tree.write('a.yaml', '3')
    await tree.becomes({ 'a.yaml': '3', 'b.yaml': '2' })
  })
})

test('dispose() closes all watchers, and nothing is told afterwards', options, async () => {
  await using tree = await Fixture.make({ 'a.yaml': '1', 'sub/b.yaml': '1' })
  const before = process.getActiveResourcesInfo().filter(name => name === 'FSEventWrap').length
  await tree.open('')
  assert.ok(process.getActiveResourcesInfo().filter(name => name === 'FSEventWrap').length > before)
  await tree[Symbol.asyncDispose]()
  // The handles are closed in the next turn of the event loop.
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(process.getActiveResourcesInfo().filter(name => name === 'FSEventWrap').length, before)
})
