import type { Condition, ListenerStatus } from '../model/index.ts'
import type { Paint, Painter } from './paint.ts'
import type { Cell } from './table.ts'

export function describeListener(listener: ListenerStatus): string {
  const routes = listener.attachedRoutes === 1 ? '1 route' : `${listener.attachedRoutes} routes`
  const host = listener.hostname === undefined ? '' : ` ${listener.hostname}`
  return `${listener.name} ${listener.protocol}:${listener.port}${host} (${routes})`
}

/** Types whose `True` is the bad news. */
const badWhenTrue: readonly string[] = [
  'Conflicted',
  'InsecureFrontendValidationMode',
  'OverlappingTLSConfig',
  'PartiallyInvalid',
]

function isBad({ type, status: state }: Condition): boolean {
  return badWhenTrue.includes(type) ? state === 'True' : state === 'False'
}

export function conditionPaint(condition: Condition, paint: Paint): Painter {
  return isBad(condition) ? paint.bad : condition.status === 'Unknown' ? paint.warn : paint.good
}

/** What is wrong, with its reason; else all that is well. */
export function conditionsCell(conditions: readonly Condition[], paint: Paint): Cell {
  const bad = conditions.filter(isBad)
  if (bad.length > 0) {
    const text = bad.map(({ type, status: state, reason }) => `${state === 'False' ? 'not ' : ''}${type}: ${reason}`)
    return { text: [...new Set(text)].join(', '), paint: paint.bad }
  }
  const unknown = conditions.filter(({ status: state }) => state === 'Unknown')
  if (unknown.length > 0) {
    return { text: [...new Set(unknown.map(({ type }) => `${type} unknown`))].join(', '), paint: paint.warn }
  }
  const good = conditions.filter(({ status: state }) => state === 'True').map(({ type }) => type)
  return { text: [...new Set(good)].join(', ') || '-', paint: paint.good }
}
