import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { callOfGrpc, statusByHttp2 } from '../load/probe.ts'
import { freePorts, Program } from '../processes.ts'

const smallBytes = 100

/**
 * The endpoint by HTTP/2: nghttpd, on one port, with a small file below each route. Every answer ends with the trailer
 * of a call of gRPC that went well, if `grpc`.
 */
export async function startHttp2Backend(
  folder: string,
  routes: readonly string[],
  options: { readonly grpc: boolean },
): Promise<{ readonly program: Program; readonly port: number }> {
  const home = join(folder, 'http2-backend')
  const files = join(home, 'files')
  await mkdir(join(files, 'answers'), { recursive: true })
  await writeFile(join(files, 'answers', 'small'), 'x'.repeat(smallBytes))
  for (const route of routes) await symlink('answers', join(files, route.slice(1)))
  const [port = 0] = await freePorts(1)
  const flags = ['--no-tls', '--address=127.0.0.1', `--htdocs=${files}`, '--max-concurrent-streams=1000']
  if (options.grpc) flags.push('--trailer=grpc-status: 0')
  const program = Program.start('http2-backend', ['nghttpd', ...flags, String(port)], {
    place: 'load',
    logPath: join(home, 'output'),
  })
  await program.answers(`http://127.0.0.1:${port}${routes[0]}/small`, { probe: statusByHttp2 })
  return { program, port }
}

/** An endpoint that sends each message of a call of gRPC back as it comes; a program of our own. */
export async function startGrpcEcho(
  folder: string,
  routes: readonly string[],
): Promise<{ readonly program: Program; readonly port: number }> {
  const script = fileURLToPath(new URL('../load/grpc-echo.ts', import.meta.url))
  const [port = 0] = await freePorts(1)
  const program = Program.start('grpc-echo', [process.execPath, script, String(port)], {
    place: 'load',
    logPath: join(folder, 'grpc-echo.log'),
  })
  await program.answers(`http://127.0.0.1:${port}${routes[0]}/small`, { probe: callOfGrpc })
  return { program, port }
}
