import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError, messageOf, systemClock } from '../core/index.ts'
import { cleanUp, datapathFeatures, networksFeature, seesNetworks, tierPlaces, tryPrograms } from '../datapath/index.ts'
import type { CleanupReport } from '../datapath/index.ts'
import { selfTest } from '../kernel-http/index.ts'
import { Bpf, checkFeatures, findCgroup2, isBpffs, KeeperClient, missingCapabilities } from '../kernel/index.ts'
import { keeperPath } from './handover/agent-keeper.ts'
import { endKept } from './programs/end-kept.ts'
import { lackedPrivileges, tierCapabilities } from './tier-privileges.ts'
import type { EndedKeeper } from './programs/end-kept.ts'

/** One thing that the kernel tier needs. */
export interface Finding {
  readonly name: string
  readonly isFine: boolean
  /** What is there, or what to do about it. */
  readonly about: string
}

/** What the kernel tier needs of this machine and this process, tried out. Changes nothing. */
export function examineMachine(socketPath: string): readonly Finding[] {
  let bpf: Bpf
  try {
    bpf = new Bpf()
  } catch (error) {
    return [{ name: 'system calls', isFine: false, about: explain(error) }]
  }
  using open = bpf
  const lacked = lackedPrivileges(socketPath)
  return [
    { name: 'system calls', isFine: true, about: `${process.platform}/${process.arch}` },
    {
      name: 'privileges',
      isFine: lacked === undefined,
      about: lacked ?? tierCapabilities(socketPath).join(' '),
    },
    ...features(open),
    programs(open),
    cgroups(socketPath),
    pins(socketPath),
    keeper(socketPath),
  ]
}

/**
 * Whether HTTP can pass in the kernel here, which the kernel tier does not need: what that relies on is tried out, with
 * sockets and programs that go again.
 */
export async function examineKernelHttp(): Promise<Finding> {
  const name = 'HTTP in the kernel'
  try {
    using bpf = new Bpf()
    const results = await selfTest(bpf)
    const different = results.filter(({ difference }) => difference !== undefined)
    const about = different.map(each => `${each.name}: ${each.difference}`).join('; ')
    return different.length === 0
      ? { name, isFine: true, about: `this kernel does all ${results.length} things that it relies on` }
      : { name, isFine: false, about: `stays off, since this kernel differs: ${about}` }
  } catch (error) {
    return { name, isFine: false, about: explain(error) }
  }
}

/** Whether members in other network namespaces, such as containers, can be led there, which the others do not need. */
export function examineNetworks(): Finding {
  const name = 'members in other network namespaces'
  try {
    using bpf = new Bpf()
    const missing = missingCapabilities(['CAP_SYS_ADMIN'])
    const { firstKernel } = networksFeature
    if (!seesNetworks(bpf))
      return { name, isFine: false, about: `reach no Services: needs Linux ${firstKernel} or newer` }
    if (missing.length > 0)
      return { name, isFine: false, about: `reach no Services: this process lacks ${missing.join(' ')}` }
    return { name, isFine: true, about: `since Linux ${firstKernel}` }
  } catch (error) {
    return { name, isFine: false, about: explain(error) }
  }
}

function explain(error: unknown): string {
  const hint = error instanceof MeshError ? error.hint : undefined
  return hint === undefined ? messageOf(error) : `${messageOf(error)}; ${hint}`
}

function features(bpf: Bpf): readonly Finding[] {
  const wanted = new Set(datapathFeatures().map(({ name }) => name))
  const reports = checkFeatures(bpf).filter(({ name }) => wanted.has(name))
  return reports.map(({ name, isAvailable, firstKernel, remedy }) => ({
    name,
    isFine: isAvailable === true,
    about: remedy ?? `since Linux ${firstKernel}`,
  }))
}

function programs(bpf: Bpf): Finding {
  const name = 'our programs'
  try {
    const count = tryPrograms(bpf)
    return { name, isFine: true, about: `all ${count} are taken by this kernel` }
  } catch (error) {
    return { name, isFine: false, about: explain(error) }
  }
}

function cgroups(socketPath: string): Finding {
  const folder = findCgroup2()
  const name = 'cgroups of version 2'
  if (folder === undefined) return { name, isFine: false, about: 'mount -t cgroup2 none /sys/fs/cgroup' }
  const own = join(folder, tierPlaces(socketPath).cgroup)
  try {
    accessSync(existsSync(own) ? own : folder, constants.W_OK)
    return { name, isFine: true, about: `on ${folder}` }
  } catch {
    return { name, isFine: false, about: `mkdir -p ${own} as root, or give the agent CAP_DAC_OVERRIDE` }
  }
}

function pins(socketPath: string): Finding {
  const { pins: folder, isOwnMount } = tierPlaces(socketPath)
  const name = 'pins'
  if (!isBpffs(folder)) {
    return { name, isFine: true, about: isOwnMount ? `a bpffs will be mounted on ${folder}` : `will be in ${folder}` }
  }
  try {
    // Names only: what the kernel itself has put there may be opened by CAP_SYS_ADMIN alone.
    const count = readdirSync(folder).filter(entry => !entry.endsWith('.debug')).length
    return { name, isFine: true, about: `${count} in ${folder}; heddle cleanup removes them` }
  } catch (error) {
    return { name, isFine: false, about: explain(error) }
  }
}

function keeper(socketPath: string): Finding {
  const name = 'keeper of sockets'
  const path = keeperPath(socketPath)
  try {
    using client = KeeperClient.connect(path)
    if (client === undefined) return { name, isFine: true, about: 'none yet; heddle up starts it' }
    const { pid, count, isLed } = client.state()
    const waits = isLed ? '' : ', and waits for an agent'
    return { name, isFine: true, about: `process ${pid} at ${path} holds ${count} sockets${waits}` }
  } catch (error) {
    return { name, isFine: false, about: explain(error) }
  }
}

/** What `heddle cleanup` has done. */
export interface TierCleanup extends CleanupReport {
  /** With the programs of Workloads and the sockets that it held; absent when there was none. */
  readonly keeper?: EndedKeeper
}

/**
 * Ends and removes what the kernel tier of the agent with this socket left behind.
 * @throws MeshError MESH_KEEPER when an agent leads, MESH_KERNEL_SYSCALL
 */
export async function cleanUpTier(socketPath: string): Promise<TierCleanup> {
  const keeper = await endKept(socketPath, systemClock)
  using bpf = new Bpf()
  const report = await cleanUp(bpf, tierPlaces(socketPath), systemClock)
  return keeper === undefined ? report : { ...report, left: [...keeper.left, ...report.left], keeper }
}
