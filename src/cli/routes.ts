import type { RouteStatus, RuleStatus } from '../daemon/index.ts'
import { agentOf, paintOf, printJson, wantsJson } from './context.ts'
import { withoutControls } from './paint.ts'
import { isWhole, selectionFlags, selectionOf, selectRoutes } from './selection.ts'
import { renderTable } from './table.ts'
import type { Cell, RenderOptions } from './table.ts'
import { colorFlag, outputFlag, socketFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const routes: Verb = {
  name: 'routes',
  summary: 'every route with its rules, matches, filters and backends',
  usage: '[NAME]',
  flags: [
    { name: 'all', short: 'a', about: 'With the route that every service has by itself.' },
    ...selectionFlags,
    outputFlag,
    socketFlag,
    colorFlag,
  ],
  examples: ['heddle routes', 'heddle routes shop/cart', 'heddle routes -n shop --service reviews'],
  async run(call, io) {
    const all = await agentOf(call, io).json<readonly RouteStatus[]>('/routes.json')
    const given = selectionOf(call)
    const name = call.positionals[0] ?? given.route
    const selection = { ...given, route: name }
    const withDefaults = call.flags.has('all') || name !== undefined
    const chosen = selectRoutes(all, selection).filter(({ key }) => withDefaults || !key.startsWith('Service '))
    if (wantsJson(call)) printJson(io, chosen)
    else if (chosen.length > 0) io.out(`${renderRouteTrees(chosen, { paint: paintOf(call, io), width: io.columns })}\n`)
    else
      io.err(
        name === undefined
          ? isWhole(selection)
            ? 'there are no routes\n'
            : 'there are no such routes\n'
          : `there is no route ${withoutControls(name)}\n`,
      )
    return chosen.length === 0 && name !== undefined ? 1 : 0
  },
}

export function renderRouteTrees(list: readonly RouteStatus[], options: RenderOptions): string {
  return list.map(route => renderRoute(route, options)).join('\n\n')
}

function renderRoute(route: RouteStatus, options: RenderOptions): string {
  const { paint } = options
  const hosts = route.hostnames.length === 0 ? 'any host' : route.hostnames.join(', ')
  const on = route.virtualHosts.length === 0 ? 'attached to nothing' : `on ${route.virtualHosts.join(', ')}`
  const title = `${paint.bold(withoutControls(route.key))}  ${withoutControls(hosts)}  ${paint.dim(withoutControls(on))}`
  const rows = route.rules.flatMap(rule => ruleRows(rule, options))
  const hasPath = route.rules.some(({ kernelPath }) => kernelPath !== undefined)
  const titles = ['RULE', 'MATCHES', 'FILTERS', 'BACKENDS', ...(hasPath ? ['ANSWERED IN'] : [])]
  return `${title}\n${renderTable(titles, rows, { ...options, indent: '  ' })}`
}

/** As many lines as the longest of the rule's lists. */
function ruleRows(rule: RuleStatus, { paint }: RenderOptions): Cell[][] {
  const total = rule.backends.reduce((sum, { weight }) => sum + weight, 0)
  const backends: Cell[] = rule.backends.map(({ key, weight, invalid }) => {
    const share = rule.backends.length === 1 ? '' : ` ${total === 0 ? 0 : Math.round((weight / total) * 1000) / 10}%`
    return invalid === undefined ? `${key}${share}` : { text: `${key}${share}: ${invalid}`, paint: paint.bad }
  })
  const height = Math.max(1, rule.matches.length, rule.filters.length, backends.length)
  return Array.from({ length: height }, (_, line) => [
    line === 0 ? (rule.name ?? String(rule.index)) : '',
    rule.matches[line] ?? '',
    rule.filters[line] ?? '',
    backends[line] ?? '',
    ...(rule.kernelPath === undefined ? [] : [line === 0 ? rule.kernelPath : '']),
  ])
}
