import type { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { MeshError } from '../core/index.ts'
import type { CliIo } from './verb.ts'

/**
 * Prints the lines of an answer as they come, each as `render` has it, until the answer ends or Ctrl-C.
 * @throws MeshError MESH_AGENT_ABSENT when the agent goes away meanwhile
 */
export async function followLines(
  io: CliIo,
  response: IncomingMessage,
  render: (line: string) => string,
): Promise<void> {
  let isStopped = false
  const stop = (): void => {
    isStopped = true
    response.destroy()
  }
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const output = createInterface({ input: response, crlfDelay: Infinity })
  // Without this the loop below would wait for ever for an end that a destroyed answer does not have.
  response.once('close', () => output.close())
  response.on('error', () => {})
  try {
    for await (const line of output) io.out(`${render(line)}\n`)
  } catch (error) {
    if (!isStopped) {
      throw new MeshError('MESH_AGENT_ABSENT', 'the agent went away', { source: 'internal', cause: error })
    }
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}
