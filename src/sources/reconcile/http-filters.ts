import type { ResourceStatus } from '../../model/index.ts'
import type { HTTPFilterResource } from '../schema/resource.ts'
import { condition, holds } from './conditions.ts'
import { Names } from './facts.ts'
import type { ResourceChange, Tables } from './resource-tables.ts'
import type { StageSink } from './stage-sink.ts'

/**
 * HTTPFilters, for the rules that name them. By itself a filter means nothing,
 * and whatever the schema lets through can be carried out: what it refers to is
 * judged with the route, whose namespace is the same.
 */
export class HttpFilterStage {
  facts: ReadonlyMap<string, HTTPFilterResource> = new Map()
  names: Names = new Names([])

  /** @returns the facts that changed */
  update(changes: readonly ResourceChange[], tables: Tables, sink: StageSink): readonly string[] {
    const changedFacts: string[] = []
    this.facts = tables.HTTPFilter
    let hasNewNames = false
    for (const { kind, key, before, after } of changes) {
      if (kind !== 'HTTPFilter') continue
      hasNewNames ||= before === undefined || after === undefined
      changedFacts.push(`HTTPFilter ${key}`)
      const resource = tables.HTTPFilter.get(key)
      sink.status(`HTTPFilter ${key}`, resource === undefined ? undefined : statusOf(resource))
    }
    if (hasNewNames) {
      this.names = new Names(tables.HTTPFilter.keys())
      changedFacts.push('names HTTPFilter')
    }
    return changedFacts
  }
}

function statusOf({ apiVersion, kind, metadata }: HTTPFilterResource): ResourceStatus {
  const { namespace, name, generation } = metadata
  return {
    apiVersion,
    kind,
    namespace,
    name,
    generation,
    conditions: [condition('Accepted', holds('Accepted'), generation)],
    addresses: [],
    listeners: [],
    parents: [],
  }
}
