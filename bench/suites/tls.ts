/** HTTP/1.1 over TLS 1.3 from the client; plain towards the backend, or by TLS with a certificate of the proxy's own. */
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TestAuthority } from '../../test/support/certificates.ts'
import { startBackend } from '../peers/backend.ts'
import type { Contestant, Scene } from '../peers/contestant.ts'
import { startHaproxy } from '../peers/haproxy.ts'
import { startHeddle } from '../peers/heddle.ts'
import { startNginx } from '../peers/nginx.ts'
import { freePorts, output, pinned } from '../processes.ts'
import { measureLoad, race } from './race.ts'
import type { Case, Context, Figures } from './race.ts'
import type { Sample } from '../result.ts'
import type { Suite, SuiteOptions } from './suite.ts'

const cases: readonly Case[] = [
  {
    name: 'small',
    measure: (...args) => measureLoad(...args, { body: 'small', connections: 32 }),
    hasAllRounds: true,
  },
  { name: '10 KB', measure: (...args) => measureLoad(...args, { body: '10 KB', connections: 32 }) },
  { name: '1 MB', measure: (...args) => measureLoad(...args, { body: '1 MB', connections: 8 }) },
  { name: 'full handshakes', measure: (...args) => measureHandshakes(...args, 'full') },
  { name: 'resumed handshakes', measure: (...args) => measureHandshakes(...args, 'resume') },
]

/** Towards endpoints that want a certificate. */
const mutualCases: readonly Case[] = [
  { name: 'mTLS upstream, small', measure: (...args) => measureLoad(...args, { body: 'small', connections: 32 }) },
]

export const tls: Suite = {
  name: 'tls',
  limits: [
    'the agent in user space, as without root',
    'everything on one machine over loopback, one worker each on one core',
    'one certificate (P-256), TLS 1.3, the cipher that client and server agree on',
    'the client of the handshakes is Node: it limits their rate, so compare CPU',
  ],
  async run(options) {
    const isWanted = ({ name }: Case): boolean => name.includes(options.only)
    const [wanted, mutuallyWanted] = [cases.filter(isWanted), mutualCases.filter(isWanted)]
    const folder = await mkdtemp(join(options.folder, 'tls-'))
    const routes = Array.from({ length: 100 }, (_, index) => `/service-${String(index + 1).padStart(5, '0')}`)
    const endpointPorts = await freePorts(2)
    const mutualPorts = await freePorts(2)
    using authority = new TestAuthority()
    const scene = { folder, routes, endpointPorts, tls: authority.issueFiles({ names: ['front.example'] }) }
    const mutual = {
      authority: authority.certificateFile,
      name: 'back.example',
      endpoint: authority.issueFiles({ names: ['back.example'] }),
      client: authority.issueFiles({ names: ['proxy.example'] }),
    }
    await using backend = await startBackend(folder, endpointPorts, { ...mutual, ports: mutualPorts })
    void backend
    const mutualScene = { ...scene, folder: join(folder, 'mutual'), endpointPorts: mutualPorts, mutual }
    return [...(await raceIn(scene, wanted, options)), ...(await raceIn(mutualScene, mutuallyWanted, options))]
  },
}

async function raceIn(scene: Scene, wanted: readonly Case[], options: SuiteOptions): Promise<readonly Sample[]> {
  if (wanted.length === 0) return []
  await using programs = new AsyncDisposableStack()
  const contestants: Contestant[] = []
  for (const start of [startHeddle, startNginx, startHaproxy]) {
    const contestant = await start(scene)
    if (contestant.program !== undefined) programs.use(contestant.program)
    contestants.push(contestant)
  }
  return await race('tls', contestants, wanted, { paths: scene.routes, options })
}

/** CPU per connection with one request on it. */
async function measureHandshakes(
  { name, host, port, program }: Contestant,
  { name: caseName, options, paths }: Context,
  mode: 'full' | 'resume',
): Promise<Figures> {
  if (program === undefined) return {}
  const script = fileURLToPath(new URL('../load/handshakes.ts', import.meta.url))
  const shape = [host, port, options.seconds, 16, mode, `${paths[0]}/small`].map(String)
  const beforeUs = program.cpuUs()
  const text = await output(pinned('load', [process.execPath, script, ...shape]))
  const { handshakes, errors, perSecond } = JSON.parse(text) as {
    handshakes: number
    errors: number
    perSecond: number
  }
  if (errors > 0) options.failure(`${name}, ${caseName}: ${errors} of ${handshakes} handshakes failed`)
  return { cpu: (program.cpuUs() - beforeUs) / handshakes, throughput: perSecond }
}
