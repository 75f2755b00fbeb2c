/** What the resources of every kind are made of. */

export interface ObjectMeta {
  readonly name: string
  /** `default` where a namespaced resource has none; empty for kinds of cluster scope. */
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Grows by one whenever what is configured (not labels or annotations) changes while the process runs. */
  readonly generation: number
  /** RFC 3339. */
  readonly creationTimestamp?: string
  readonly uid?: string
}

/** As much as could be read of what a resource calls itself. */
export interface Identity {
  readonly kind?: string
  readonly namespace?: string
  readonly name?: string
}

/** Where a resource stands. The values move along when text above the resource grows or shrinks. */
export interface Origin {
  readonly file: string
  /** Line of the resource's first field, counted from 1. */
  readonly line: number
  /** Place of a path like `spec.rules[2].backendRefs[0]`, or of its nearest parent that exists. Reads the text again: for problems, not for the data path. */
  locate(path: string): Place
}

/** Both counted from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** What every kind has. */
export interface ResourceBase<Kind extends string> {
  readonly apiVersion: string
  readonly kind: Kind
  readonly metadata: ObjectMeta
  readonly origin: Origin
}

export interface Resource<Kind extends string, Spec> extends ResourceBase<Kind> {
  readonly spec: Spec
}

/** `([0-9]{1,5}(h|m|s|ms)){1,4}`: units in any order, summed (Gateway API, GEP-2257). */
export type Duration = string

export type StringMap = Readonly<Record<string, string>>

export interface LabelSelector {
  readonly matchLabels?: StringMap
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
    readonly values?: readonly string[]
  }[]
}

export interface LocalObjectReference {
  readonly group: string
  readonly kind: string
  readonly name: string
}

export interface ObjectReference extends LocalObjectReference {
  readonly namespace?: string
}
