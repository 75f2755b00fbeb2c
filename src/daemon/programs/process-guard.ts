import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { statSync } from 'node:fs'
import type { Logger } from '../../core/index.ts'

/**
 * Reads `add GROUP`, `drop GROUP` and `file IDENTITY PATH`; when its input ends,
 * it removes the file if it is still the same one, and ends every group it still
 * knows, politely first. A shell, since it must live in a process of
 * its own for as long as the agent does, and needs a megabyte rather than forty.
 */
const script = `
trap '' HUP INT TERM
groups=' '
identity=''
while read -r verb group path; do
  case $verb in
    add) groups="$groups$group " ;;
    file) identity=$group; file=$path ;;
    drop) case $groups in *" $group "*) groups="\${groups%% "$group" *} \${groups#* "$group" }" ;; esac ;;
  esac
done
case $identity in
  *:*) [ "$(stat -c %d:%i -- "$file" 2>/dev/null)" = "$identity" ] && rm -f -- "$file" ;;
esac
case $groups in ' ') exit 0 ;; esac
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
sleep 2
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
`

/**
 * Leaves no supervised process behind, however the agent ends. An agent that is
 * killed (SIGKILL, the OOM killer, a crash) cannot stop its children, so a small
 * process holds the other end of a pipe: the kernel closes the agent's end with
 * the agent, and the guard then ends all process groups it was told of.
 * A guard that dies is replaced and told again.
 */
export class ProcessGuard implements Disposable {
  readonly #logger: Logger
  readonly #groups = new Set<number>()
  #file: string | undefined
  #child: ChildProcess | undefined
  #isClosed = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Call right after the spawn: what dies in between is not guarded. */
  add(group: number): void {
    this.#groups.add(group)
    if (this.#child === undefined) this.#start()
    else this.#tell(`add ${group}`)
  }

  drop(group: number): void {
    if (this.#groups.delete(group)) this.#tell(`drop ${group}`)
  }

  /**
   * A file, like the agent's socket, that is to go with an agent that is killed.
   * One that another agent has put in its place stays.
   */
  addFile(path: string): void {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined || path.includes('\n')) return
    this.#file = `file ${stats.dev}:${stats.ino} ${path}`
    this.#tell(this.#file)
  }

  /** The guard's process id, for tests and `ps`. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    // Whoever is there to say so removes the file at its own time.
    this.#tell('file none')
    this.#child?.stdin?.end()
    this.#child = undefined
  }

  #start(): void {
    const child = spawn('/bin/sh', ['-c', script, 'heddle-guard'], {
      // Its own session, so that a Ctrl-C in the terminal does not end it before the agent.
      detached: true,
      cwd: '/',
      env: { PATH: '/usr/bin:/bin' },
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#child = child
    child.unref()
    if (child.stdin !== null && 'unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref()
    // A guard that is gone is noticed by its exit; the write that failed adds nothing.
    child.stdin?.on('error', () => {})
    child.once('error', error => this.#lost(child, error.message))
    child.once('exit', (code, signal) => this.#lost(child, signal ?? `exit code ${code}`))
    for (const group of this.#groups) this.#tell(`add ${group}`)
    if (this.#file !== undefined) this.#tell(this.#file)
  }

  #lost(child: ChildProcess, cause: string): void {
    if (this.#isClosed || this.#child !== child) return
    this.#child = undefined
    this.#logger.warn('the guard of supervised processes ended', { cause, replaced: child.pid !== undefined })
    if (child.pid !== undefined && this.#groups.size > 0) this.#start()
  }

  #tell(line: string): void {
    this.#child?.stdin?.write(`${line}\n`)
  }
}
