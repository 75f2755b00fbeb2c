import type { Problem } from '../../core/index.ts'
import type { HttpRoute, MeshSnapshot, Plugin, PluginKey, RouteRule, StreamRoute } from '../../model/index.ts'
import { hostPluginsOf, pluginsOf, streamPluginsOf } from '../../proxy/index.ts'
import type { HostPlugins } from '../../proxy/index.ts'
import type { PluginStatus } from './plugin-status.ts'

/** A plugin that a request passes. */
export interface ExplainedPlugin {
  readonly key: PluginKey
  /** What becomes of requests when it can't run. */
  readonly failStrategy: Plugin['failStrategy']
  /** Why it has no module; null when it has one. */
  readonly problem: string | null
}

/** The plugins of a snapshot, and where they hold. */
export interface KnownPlugins {
  readonly hosts: HostPlugins
  readonly plugins: ReadonlyMap<PluginKey, Plugin>
}

export function knownPlugins(snapshot: MeshSnapshot): KnownPlugins {
  return { hosts: hostPluginsOf(snapshot), plugins: snapshot.plugins }
}

/** What requests of a rule pass on a virtual host, in that order. */
export function pluginsOfRule(
  known: KnownPlugins,
  route: HttpRoute,
  rule: RouteRule,
  virtualHost: string,
): readonly ExplainedPlugin[] {
  return describe(known, pluginsOf(known.hosts, route, rule, virtualHost))
}

/** What connections of a route pass on a virtual host. */
export function pluginsOfStream(
  known: KnownPlugins,
  route: StreamRoute,
  virtualHost: string,
): readonly ExplainedPlugin[] {
  const plugins = route.attachments.find(each => each.virtualHost === virtualHost)?.plugins
  return describe(known, streamPluginsOf(known.hosts, { virtualHost, plugins }))
}

function describe({ plugins }: KnownPlugins, keys: readonly PluginKey[]): readonly ExplainedPlugin[] {
  return keys.map(key => {
    const plugin = plugins.get(key)
    const failStrategy = plugin?.failStrategy ?? 'fail-closed'
    const problem = plugin?.module === undefined ? (plugin?.problem ?? 'there is no module') : null
    return { key, failStrategy, problem }
  })
}

/** `plugin WasmPlugin shop/auth, which does not run: …` */
export function describePlugin({ key, problem, failStrategy }: ExplainedPlugin): string {
  if (problem === null) return `plugin ${key}`
  const what = failStrategy === 'fail-open' ? 'is passed by' : 'lets nothing pass'
  return `plugin ${key}, which does not run and ${what}: ${problem}`
}

/** Where there is little room. */
export function namePlugin({ key, problem }: ExplainedPlugin): string {
  return problem === null ? `plugin ${key}` : `plugin ${key}, which does not run`
}

/** Plugins that have no module, keep an older one, or do not start in a worker: problems of their resources. */
export function pluginProblems(
  plugins: ReadonlyMap<PluginKey, Plugin>,
  running: readonly PluginStatus[],
): readonly Problem[] {
  const problems: Problem[] = []
  for (const { key, module, problem, failStrategy } of plugins.values()) {
    const stopped = running.find(each => each.key === key && each.problem !== undefined)
    const message = problem ?? stopped?.problem
    if (message === undefined) continue
    const isWithout = module === undefined || (stopped !== undefined && stopped.module === undefined)
    const then = !isWithout
      ? 'the module before it goes on'
      : failStrategy === 'fail-open'
        ? 'what should pass it goes on without'
        : 'nothing passes it'
    problems.push({ severity: 'error', resource: resourceOf(key), path: '', message: `${message}; ${then}` })
  }
  return problems
}

/** A policy's plugins are told apart by their place: `EnvoyExtensionPolicy shop/stamp/0`. */
function resourceOf(key: PluginKey): string {
  const [kind = '', namespace = '', name = ''] = key.split(/[ /]/)
  return `${kind} ${namespace}/${name}`
}
