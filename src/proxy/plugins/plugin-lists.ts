import type { HttpRoute, MeshSnapshot, Plugin, PluginKey, RouteRule } from '../../model/index.ts'
import type { PluginRunner } from './plugin-runner.ts'

const none: readonly PluginKey[] = []

/** By the id of a virtual host what its requests pass; those without are left out. */
export type HostPlugins = ReadonlyMap<string, readonly PluginKey[]>

export function hostPluginsOf(snapshot: MeshSnapshot): HostPlugins {
  const lists = new Map<string, readonly PluginKey[]>()
  for (const { virtualHosts } of snapshot.listeners.values()) {
    for (const { id, plugins = none } of virtualHosts) if (plugins.length > 0) lists.set(id, plugins)
  }
  return lists
}

export function isSameHostPlugins(before: HostPlugins, after: HostPlugins): boolean {
  if (before.size !== after.size) return false
  for (const [id, list] of after) if (before.get(id)?.join('\n') !== list.join('\n')) return false
  return true
}

/** Plugins for what is no HTTP, as in the newest snapshot. */
export interface StreamPlugins {
  readonly hosts: HostPlugins
  readonly plugins: ReadonlyMap<PluginKey, Plugin>
  readonly runner: PluginRunner | undefined
}

interface StreamOfPlugins {
  readonly virtualHost: string
  readonly plugins: readonly PluginKey[] | undefined
}

/** What connections of a stream route pass. */
export function streamPluginsOf(hosts: HostPlugins, stream: StreamOfPlugins): readonly PluginKey[] {
  return stream.plugins ?? hosts.get(stream.virtualHost) ?? none
}

/** Whether one of them lets nothing pass where it can't run. */
export function refusesStreams(known: StreamPlugins, stream: StreamOfPlugins): boolean {
  return streamPluginsOf(known.hosts, stream).some(key => known.plugins.get(key)?.failStrategy !== 'fail-open')
}

/** What requests of a rule pass on a virtual host, in that order, each once. */
export function pluginsOf(
  hosts: HostPlugins,
  route: HttpRoute,
  rule: RouteRule,
  virtualHost: string,
): readonly PluginKey[] {
  const attachment = route.attachments.find(candidate => candidate.virtualHost === virtualHost)
  const first = attachment?.plugins ?? hosts.get(virtualHost) ?? none
  const own = rule.plugins ?? none
  if (first.length === 0 && own.length === 0) return none
  return [...new Set([...first, ...own])]
}
