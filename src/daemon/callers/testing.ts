import { ProcFiles } from './proc-files.ts'

/** A process as a test describes it; group and session are its own when left out. */
export interface ProcessSketch {
  readonly pid: number
  readonly parent: number
  readonly group?: number
  readonly session?: number
  /** Inodes of the sockets that it holds. */
  readonly sockets?: readonly number[]
}

/** Linux as a test describes it, which also counts what is asked. */
export class SketchedProc extends ProcFiles {
  processes: readonly ProcessSketch[] = []
  /** `/proc/net/tcp` without its title. */
  tcp = ''
  /** Times that the table was read: once in a look. */
  looks = 0
  /** Called at each reading of a table or of a process's descriptors. */
  onRead: () => void = () => {}
  /** Whether the kernel tells the children of a process. */
  tellsChildren = true

  override has(path: string): boolean {
    return path === '/thread-self/children' && this.tellsChildren
  }

  override list(path: string): readonly string[] {
    if (path === '/') return [...this.processes.map(({ pid }) => String(pid)), 'self', 'net']
    const [, pid = '', name] = path.split('/')
    if (name === 'task') return [pid]
    this.onRead()
    return ['0', ...(this.#process(pid)?.sockets ?? []).map((_, at) => String(at + 3))]
  }

  override link(path: string): string {
    const [, pid = '', , descriptor] = path.split('/')
    const inode = this.#process(pid)?.sockets?.[Number(descriptor) - 3]
    return inode === undefined ? '/dev/null' : `socket:[${inode}]`
  }

  override text(path: string): string {
    const [, pid = '', name] = path.split('/')
    const process = this.#process(pid)
    if (name === 'stat') {
      if (process === undefined) return ''
      const { parent, group = process.pid, session = process.pid } = process
      return `${pid} (a) (b 1 2) S ${parent} ${group} ${session} 0`
    }
    const children = this.processes.filter(({ parent }) => parent === Number(pid))
    return children.map(child => `${child.pid} `).join('')
  }

  override *pieces(path: string): Generator<string> {
    if (path !== '/net/tcp') return
    this.looks++
    this.onRead()
    yield `title\n${this.tcp}`
  }

  #process(pid: string): ProcessSketch | undefined {
    return this.processes.find(each => each.pid === Number(pid))
  }
}

/** One socket in the table of IPv4. */
export function tcpRow(local: string, remote: string, inode: number): string {
  return `   0: ${local} ${remote} 01 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0000000000000000 20 4 0 10 -1\n`
}
