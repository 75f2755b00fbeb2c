import { Dice } from '../fuzz/http1-generate.ts'
import type { RawPeer, RawPolicy, RawPort, RawProbe, RawSelector, RawWorkload, RawWorld } from './oracle.ts'

// Few names, labels, networks and ports, so that they meet often.

const namespaces = ['default', 'shop', 'ops']
const keys = ['app', 'tier', 'team']
const values = ['a', 'b', 'c']
const portNames = ['http', 'admin']
const protocols = ['TCP', 'UDP', 'SCTP']
const ports = [1, 53, 79, 80, 81, 8080, 8081, 32_768, 65_535]
const outside = ['192.0.2.1', '10.1.2.3', '10.1.3.3', '10.200.0.1', '2001:db8::1', 'fd00:1::5', '127.0.0.1', '8.8.8.8']
const own = ['10.1.0.1', '10.1.0.2', '10.1.1.1', '10.2.0.1', 'fd00::1', 'fd00:1::1', '127.0.0.1', '127.0.0.2']
/** With exceptions that lie in it. */
const blocks: readonly (readonly [string, ...string[]])[] = [
  ['0.0.0.0/0', '10.0.0.0/8', '127.0.0.0/8', '192.0.2.1/32', '10.1.0.0/16', '128.0.0.0/1'],
  ['10.0.0.0/8', '10.1.0.0/16', '10.1.0.0/31', '10.1.1.1/32', '10.1.2.0/23', '10.128.0.0/9'],
  ['10.1.0.0/16', '10.1.0.0/24', '10.1.2.3/32'],
  ['10.1.0.1/32'],
  ['127.0.0.0/8', '127.0.0.1/32'],
  ['::/0', 'fd00::/8', '2001:db8::/32'],
  ['fd00::/8', 'fd00:1::/32', 'fd00::1/128'],
  ['192.0.2.0/28', '192.0.2.0/29', '192.0.2.1/32'],
]

export class RandomWorld extends Dice {
  world(): RawWorld {
    return {
      namespaces: namespaces
        .slice(0, this.roll(4))
        .map(name => ({ metadata: { name, ...this.maybe(2, { labels: this.labels() }) } })),
      workloads: Array.from({ length: 2 + this.roll(6) }, (_, at) => this.workload(at)),
      policies: Array.from({ length: 1 + this.roll(5) }, (_, at) => this.policy(at)),
    }
  }

  probe({ workloads }: RawWorld): RawProbe {
    const party = () => (this.roll(5) === 0 ? this.pick(outside) : this.pick(workloads))
    const from = party()
    const to = party()
    const known = typeof to === 'string' ? [] : [to.spec.port, ...(to.spec.ports ?? []).map(({ port }) => port)]
    const port = this.roll(3) === 0 ? 1 + this.roll(65_535) : this.pick([...ports, ...known, ...known])
    return { from, to, protocol: this.roll(3) === 0 ? this.pick(protocols) : 'TCP', port }
  }

  private workload(at: number): RawWorkload {
    return {
      metadata: {
        name: `w${at}`,
        ...this.maybe(4, { namespace: this.pick(namespaces) }),
        ...this.maybe(5, { labels: this.labels() }),
      },
      spec: {
        port: this.pick(ports),
        ...this.maybe(3, { service: this.pick(['x', 'y']) }),
        ...this.maybe(5, { address: this.pick(own) }),
        ...this.maybe(4, { ports: this.namedPorts() }),
      },
    }
  }

  private namedPorts(): { name: string; port: number; protocol?: string }[] {
    const names = portNames.filter(() => this.roll(2) === 0)
    return names.map(name => ({
      name,
      port: this.pick(ports),
      ...this.maybe(1, { protocol: this.pick(protocols) }),
    }))
  }

  private labels(): Record<string, string> {
    return Object.fromEntries(keys.filter(() => this.roll(2) === 0).map(key => [key, this.pick(values)]))
  }

  private policy(at: number): RawPolicy {
    return {
      metadata: { name: `p${at}`, ...this.maybe(4, { namespace: this.pick(namespaces) }) },
      spec: {
        ...this.maybe(5, { podSelector: this.roll(2) === 0 ? {} : this.selector() }),
        ...this.maybe(2, { policyTypes: this.pick([[], ['Ingress'], ['Egress'], ['Ingress', 'Egress']]) }),
        ...this.maybe(3, {
          ingress: this.list(3, () => ({
            ...this.maybe(4, { from: this.list(3, () => this.peer()) }),
            ...this.maybe(2, { ports: this.list(3, () => this.port()) }),
          })),
        }),
        ...this.maybe(3, {
          egress: this.list(3, () => ({
            ...this.maybe(4, { to: this.list(3, () => this.peer()) }),
            ...this.maybe(2, { ports: this.list(3, () => this.port()) }),
          })),
        }),
      },
    }
  }

  private peer(): RawPeer {
    switch (this.roll(4)) {
      case 0: {
        const [cidr, ...parts] = this.pick(blocks)
        return { ipBlock: { cidr, ...this.maybe(3, { except: parts.filter(() => this.roll(2) === 0) }) } }
      }
      case 1:
        return { podSelector: this.selector() }
      case 2:
        return { namespaceSelector: this.namespaceSelector() }
      default:
        return { podSelector: this.selector(), namespaceSelector: this.namespaceSelector() }
    }
  }

  private namespaceSelector(): RawSelector {
    if (this.roll(3) > 0) return this.selector()
    return { matchLabels: { 'kubernetes.io/metadata.name': this.pick(namespaces) } }
  }

  private selector(): RawSelector {
    if (this.roll(4) === 0) return {}
    if (this.roll(2) === 0) return { matchLabels: { [this.pick(keys)]: this.pick(values) } }
    const operator = this.pick(['In', 'NotIn', 'Exists', 'DoesNotExist'])
    const takesValues = operator === 'In' || operator === 'NotIn'
    return {
      ...this.maybe(1, { matchLabels: { [this.pick(keys)]: this.pick(values) } }),
      matchExpressions: [
        {
          key: this.pick(keys),
          operator,
          ...(takesValues ? { values: [this.pick(values), ...this.list(2, () => this.pick(values))] } : {}),
        },
      ],
    }
  }

  private port(): RawPort {
    const protocol = this.maybe(2, { protocol: this.pick(protocols) })
    switch (this.roll(4)) {
      case 0:
        return protocol
      case 1:
        return { ...protocol, port: this.pick(portNames) }
      case 2: {
        const port = this.pick([...ports, 1 + this.roll(65_535)])
        const endPort = Math.min(65_535, port + this.pick([0, 1, 2, 100, 1023, 40_000]))
        return { ...protocol, port, endPort }
      }
      default:
        return { ...protocol, port: this.pick(ports) }
    }
  }

  private list<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.roll(most + 1) }, make)
  }

  /** With a chance of `sixths` in six. */
  private maybe<T extends object>(sixths: number, fields: T): T | Record<never, never> {
    return this.roll(6) < sixths ? fields : {}
  }
}
