import { availableParallelism, tmpdir } from 'node:os'
import { isIP } from 'node:net'
import path from 'node:path'
import type { LogLevel } from '../core/index.ts'

/** The one table of the agent's settings: flags, HEDDLE_* variables, the file's keys and the docs come from it. */
export interface Settings {
  readonly workers: number
  readonly bindAddress: string
  readonly adminAddress: SocketAddress
  readonly socketPath: string
  /** A folder, or `auto`. */
  readonly stateDir: string
  readonly dnsAddress: SocketAddress | 'auto' | 'off'
  /** Path of a resolv.conf(5), or the resolvers themselves. */
  readonly dnsUpstream: string | readonly SocketAddress[]
  /** `off`, `stdout` or a file's path. */
  readonly accessLog: string
  readonly accessLogFormat: 'text' | 'json'
  readonly logFormat: 'text' | 'json'
  readonly logLevel: LogLevel
  readonly drainSeconds: number
  readonly keepSeconds: number
  readonly zone: string
  readonly serviceCidr: string
  readonly transport: 'native' | 'node'
  readonly tier: 'auto' | 'user' | 'kernel'
  readonly kernelHttp: 'off' | 'auto'
  readonly inspectPlugins: SocketAddress | 'off'
}

export type SettingKey = keyof Settings

export interface SocketAddress {
  readonly host: string
  readonly port: number
}

/** A value that was understood, or what would be right (`a whole number from 1 to 256`). */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly expected: string }

/** What a default may depend on. */
export interface Machine {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly uid: number
  readonly parallelism: number
  readonly temporaryDirectory: string
}

export interface SettingDefinition<T> {
  readonly type: string
  readonly unit?: string
  readonly about: string
  readonly default: (machine: Machine) => T
  readonly parse: (text: string) => Parsed<T>
  /** What its flag means without a value, if it may have none. */
  readonly alone?: string
  /** Text of the value as it would be written. */
  readonly format: (value: T) => string
}

export const settingDefinitions: { readonly [Key in SettingKey]: SettingDefinition<Settings[Key]> } = {
  workers: {
    ...wholeNumber(1, 256),
    about: 'Threads that carry traffic, each accepting on the same ports.',
    default: machine => Math.max(1, Math.min(4, machine.parallelism)),
  },
  bindAddress: {
    type: 'IP address',
    about: 'Where Gateways without an address of their own listen; 0.0.0.0 opens them to the network.',
    default: () => '127.0.0.1',
    parse: text => (isIP(text) === 0 ? { ok: false, expected: 'an IP address' } : { ok: true, value: text }),
    format: String,
  },
  adminAddress: {
    type: 'IP address and port',
    about: 'Where the read-only admin pages listen; loopback only. Port 0 takes a free one.',
    default: () => ({ host: '127.0.0.1', port: 15_000 }),
    parse: parseAdminAddress,
    format: formatAddress,
  },
  socketPath: {
    type: 'path',
    about: "The agent's Unix socket, which the commands use and only its owner can open.",
    default: defaultSocketPath,
    parse: parseSocketPath,
    format: String,
  },
  stateDir: {
    type: 'auto or path',
    about:
      'Folder for what the next agent is to know, also after a reboot: virtual addresses and programs that have joined. auto is where systemd says ($STATE_DIRECTORY), else beside the socket.',
    default: ({ env }) => env['STATE_DIRECTORY']?.split(':')[0] || 'auto',
    parse: text =>
      text === ''
        ? { ok: false, expected: 'auto or a path' }
        : { ok: true, value: text === 'auto' ? text : path.resolve(text) },
    format: String,
  },
  dnsAddress: {
    type: 'auto, off or IP address and port',
    about:
      'Where names of the mesh are answered; loopback only. auto is 127.0.0.1:15053, or a free port if that is taken.',
    default: () => 'auto' as const,
    parse: parseDnsAddress,
    format: value => (typeof value === 'string' ? value : formatAddress(value)),
  },
  dnsUpstream: {
    type: 'path or IP addresses',
    about: 'Who answers names of elsewhere: a resolv.conf, which is watched, or addresses with commas between them.',
    default: () => '/etc/resolv.conf',
    parse: parseDnsUpstream,
    format: value => (typeof value === 'string' ? value : value.map(formatAddress).join(',')),
  },
  accessLog: {
    ...someText('off, stdout or the path of a file'),
    type: 'off, stdout or path',
    about: 'Where one line per request goes.',
    default: () => 'off',
  },
  accessLogFormat: {
    ...choice(['text', 'json'] as const),
    about: 'Form of the access log.',
    default: () => 'text' as const,
  },
  logFormat: {
    ...choice(['text', 'json'] as const),
    about: "Form of the agent's own log, on standard error.",
    default: () => 'text' as const,
  },
  logLevel: {
    ...choice(['debug', 'info', 'warn', 'error'] as const),
    about: "How much the agent's own log says.",
    default: () => 'info' as const,
  },
  drainSeconds: {
    ...wholeNumber(0, 86_400),
    unit: 's',
    about: 'How long requests under way may take after the agent was told to stop.',
    default: () => 30,
  },
  keepSeconds: {
    ...wholeNumber(0, 86_400),
    unit: 's',
    about:
      'In the kernel tier, how long connections to the proxy wait for an agent that is gone; 0 refuses them at once.',
    default: () => 60,
  },
  zone: {
    type: 'name',
    about: "The node's zone, for backends that prefer the local one; empty when there are none.",
    default: () => '',
    parse: text =>
      /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/.test(text)
        ? { ok: true, value: text }
        : { ok: false, expected: 'a name of at most 63 letters, digits, dots and dashes' },
    format: String,
  },
  serviceCidr: {
    type: 'IPv4 network',
    about: 'Loopback network from which Services get their virtual addresses.',
    default: () => '127.77.0.0/16',
    parse: parseLoopbackNetwork,
    format: String,
  },
  transport: {
    ...choice(['native', 'node'] as const),
    about:
      "Sockets of connections, plain and TLS: native are Heddle's own, node those of Node, which cost more and are taken where native ones can't be opened.",
    default: () => 'native' as const,
  },
  tier: {
    ...choice(['auto', 'user', 'kernel'] as const),
    about:
      'What leads programs of the mesh: kernel is eBPF programs, which need root and are refused without; auto takes them where they can be had; user is loopback addresses alone.',
    default: () => 'auto' as const,
  },
  kernelHttp: {
    ...choice(['off', 'auto'] as const),
    about:
      'In the kernel tier, whether small plain requests between programs of this node are passed on in the kernel: auto is for all Services whose BackendPolicy does not say Off. New, and off until it has been proven longer.',
    default: () => 'off' as const,
  },
  inspectPlugins: {
    type: 'off or IP address and port',
    about:
      'Where debuggers of plugins connect, by the DevTools protocol; loopback only. Whoever connects is master of the agent, and plugins run without their limits of time and memory.',
    default: () => 'off' as const,
    alone: '127.0.0.1:9229',
    parse: text => {
      if (text === 'off') return { ok: true, value: text }
      const parsed = parseAdminAddress(text)
      return parsed.ok ? parsed : { ok: false, expected: 'off or a loopback address and port, such as 127.0.0.1:9229' }
    },
    format: value => (typeof value === 'string' ? value : formatAddress(value)),
  },
}

export const settingKeys: readonly SettingKey[] = Object.keys(settingDefinitions) as SettingKey[]

/** `bindAddress` is `--bind-address` as a flag… */
export function flagOf(key: SettingKey): string {
  return key.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

/** …and HEDDLE_BIND_ADDRESS in the environment. */
export function variableOf(key: SettingKey): string {
  return `HEDDLE_${key.replaceAll(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`
}

export function thisMachine(env: Readonly<Record<string, string | undefined>>): Machine {
  return {
    env,
    uid: process.getuid?.() ?? 0,
    parallelism: availableParallelism(),
    temporaryDirectory: tmpdir(),
  }
}

/** `127.0.0.1:15000`, `[::1]:15000` */
export function formatAddress(address: SocketAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

export function isLoopback(host: string): boolean {
  return host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function defaultSocketPath(machine: Machine): string {
  if (machine.uid === 0) return '/run/heddle/agent.sock'
  const runtime = machine.env['XDG_RUNTIME_DIR']
  if (runtime !== undefined && path.isAbsolute(runtime)) return path.join(runtime, 'heddle', 'agent.sock')
  return path.join(machine.temporaryDirectory, `heddle-${machine.uid}`, 'agent.sock')
}

/** A longer path is cut off silently by bind(2): sun_path has 108 bytes with the final zero. */
const maxSocketPathBytes = 107

function parseSocketPath(text: string): Parsed<string> {
  const full = path.resolve(text)
  return text === '' || Buffer.byteLength(full) > maxSocketPathBytes
    ? { ok: false, expected: `a path of at most ${maxSocketPathBytes} bytes` }
    : { ok: true, value: full }
}

function parseAdminAddress(text: string): Parsed<SocketAddress> {
  const found = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const host = found?.[1] ?? (found?.[2] === 'localhost' ? '127.0.0.1' : found?.[2])
  const port = Number(found?.[3])
  if (host === undefined || isIP(host) === 0 || port > 65_535) {
    return { ok: false, expected: 'an address and a port, such as 127.0.0.1:15000' }
  }
  // The pages have no authentication: whoever can connect can read them.
  if (!isLoopback(host)) return { ok: false, expected: 'a loopback address, such as 127.0.0.1:15000' }
  return { ok: true, value: { host, port } }
}

function parseDnsAddress(text: string): Parsed<Settings['dnsAddress']> {
  if (text === 'auto' || text === 'off') return { ok: true, value: text }
  const parsed = parseAdminAddress(text)
  // Whoever can reach it can ask it anything: it is no resolver for a network.
  return parsed.ok
    ? parsed
    : { ok: false, expected: 'auto, off or a loopback address and port, such as 127.0.0.1:15053' }
}

function parseDnsUpstream(text: string): Parsed<Settings['dnsUpstream']> {
  if (path.isAbsolute(text)) return { ok: true, value: text }
  const addresses = text.split(',').map(each => parseResolverAddress(each.trim()))
  const known = addresses.filter(each => each !== undefined)
  return known.length < addresses.length
    ? { ok: false, expected: 'an absolute path or IP addresses, such as 192.0.2.1,192.0.2.2:5353' }
    : { ok: true, value: known }
}

/** `192.0.2.1`, `192.0.2.1:5353`, `[fd00::1]:53`; undefined for what is no address */
function parseResolverAddress(text: string): SocketAddress | undefined {
  if (isIP(text) !== 0) return { host: text, port: 53 }
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const host = found?.[1] ?? found?.[2] ?? ''
  const port = Number(found?.[3])
  return isIP(host) === 0 || !(port >= 1 && port <= 65_535) ? undefined : { host, port }
}

function parseLoopbackNetwork(text: string): Parsed<string> {
  const found = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text)
  const octets = found?.slice(1, 5).map(Number) ?? []
  const bits = Number(found?.[5])
  if (found === null || octets.some(octet => octet > 255) || octets[0] !== 127 || bits < 8 || bits > 30) {
    return { ok: false, expected: 'a network within 127.0.0.0/8 of /8 to /30, such as 127.77.0.0/16' }
  }
  return { ok: true, value: text }
}

function wholeNumber(least: number, most: number): Pick<SettingDefinition<number>, 'type' | 'parse' | 'format'> {
  return {
    type: 'whole number',
    parse: text => {
      const value = /^\d{1,9}$/.test(text) ? Number(text) : -1
      return value < least || value > most
        ? { ok: false, expected: `a whole number from ${least} to ${most}` }
        : { ok: true, value }
    },
    format: String,
  }
}

function choice<T extends string>(choices: readonly T[]): Pick<SettingDefinition<T>, 'type' | 'parse' | 'format'> {
  return {
    type: choices.join(' or '),
    parse: text => {
      const value = choices.find(candidate => candidate === text)
      return value === undefined ? { ok: false, expected: choices.join(' or ') } : { ok: true, value }
    },
    format: String,
  }
}

function someText(expected: string): Pick<SettingDefinition<string>, 'parse' | 'format'> {
  return { parse: text => (text === '' ? { ok: false, expected } : { ok: true, value: text }), format: String }
}
