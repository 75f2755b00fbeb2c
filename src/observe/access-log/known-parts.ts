import type { TlsRecord } from '../../model/index.ts'

/*
 * What was written for a text is kept for the next one that is the same. A
 * comparison and a copy cost less than another look at each character; a text
 * that falls into the place of another takes it.
 */

/** Enough that the busy connections of a worker, and their routes, seldom share a place. */
const slotBits = 10
const slots = 1 << slotBits

/** Clients, hosts, methods and user agents. */
export class KnownParts {
  readonly #texts: string[] = Array.from({ length: slots }, () => '')
  readonly #parts: (Uint8Array | undefined)[] = Array.from({ length: slots }, () => undefined)
  readonly #render: (text: string) => string
  /** Most often the same comes again at once. */
  #lastText: string | undefined = undefined
  #lastPart: Uint8Array = new Uint8Array(0)

  /** @param render  gives printable ASCII */
  constructor(render: (text: string) => string) {
    this.#render = render
  }

  of(text: string): Uint8Array {
    if (text === this.#lastText) return this.#lastPart
    this.#lastPart = this.#find(text)
    this.#lastText = text
    return this.#lastPart
  }

  #find(text: string): Uint8Array {
    const slot = tailMix(text) >>> (32 - slotBits)
    const kept = this.#parts[slot]
    if (kept !== undefined && this.#texts[slot] === text) return kept
    const part = partOf(this.#render(text))
    this.#texts[slot] = text
    this.#parts[slot] = part
    return part
  }
}

/** The names that configuration gives to a request; the same strings come with every request of a route to an endpoint. */
export interface Names {
  readonly virtualHost: string
  readonly route: string
  readonly rule: string
  readonly backend: string
  readonly endpoint: string
}

/** Each route has a part for each of its endpoints. */
const nameSlotBits = slotBits + 2

/** One part for all names. */
export class NameParts {
  readonly #kept: ((Names & { readonly part: Uint8Array }) | undefined)[] = Array.from(
    { length: 1 << nameSlotBits },
    () => undefined,
  )
  readonly #render: (names: Names) => string

  /** @param render  gives printable ASCII */
  constructor(render: (names: Names) => string) {
    this.#render = render
  }

  of(names: Names): Uint8Array {
    const { route, endpoint, rule, backend, virtualHost } = names
    // A sum would not do: neighbouring routes to neighbouring ports come to the same.
    const mixed = (tailMix(route) >>> 7) ^ tailMix(endpoint) ^ Math.imul(tailMix(rule), 5)
    const slot = Math.imul(mixed, golden) >>> (32 - nameSlotBits)
    const kept = this.#kept[slot]
    if (
      kept !== undefined &&
      kept.route === route &&
      kept.endpoint === endpoint &&
      kept.rule === rule &&
      kept.backend === backend &&
      kept.virtualHost === virtualHost
    ) {
      return kept.part
    }
    const part = partOf(this.#render(names))
    this.#kept[slot] = { virtualHost, route, rule, backend, endpoint, part }
    return part
  }
}

/** One part for all that is told of a client's TLS. Most clients of a listener agree on the same. */
export class TlsParts {
  readonly #records: (TlsRecord | undefined)[] = Array.from({ length: slots }, () => undefined)
  readonly #parts: (Uint8Array | undefined)[] = Array.from({ length: slots }, () => undefined)
  readonly #render: (tls: TlsRecord) => string

  /** @param render  gives printable ASCII */
  constructor(render: (tls: TlsRecord) => string) {
    this.#render = render
  }

  of(tls: TlsRecord): Uint8Array {
    const mixed = tailMix(tls.serverName) + Math.imul(tailMix(tls.peerHash), 3) + Math.imul(tailMix(tls.protocol), 5)
    const slot = (mixed + (tls.isResumed ? golden : 0)) >>> (32 - slotBits)
    const kept = this.#parts[slot]
    const record = this.#records[slot]
    if (kept !== undefined && record !== undefined && (record === tls || isSameTls(record, tls))) return kept
    const part = partOf(this.#render(tls))
    this.#records[slot] = tls
    this.#parts[slot] = part
    return part
  }
}

/** A certificate of the same hash has the same names. */
function isSameTls(a: TlsRecord, b: TlsRecord): boolean {
  return (
    a.version === b.version &&
    a.cipher === b.cipher &&
    a.serverName === b.serverName &&
    a.protocol === b.protocol &&
    a.isResumed === b.isResumed &&
    a.peerHash === b.peerHash
  )
}

/** @param text  printable ASCII, and line feeds */
export function partOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

/** 32 bits from the last characters, where names of a family and addresses differ; the upper ones are mixed well. */
function tailMix(text: string): number {
  let mix = text.length
  for (let at = Math.max(0, mix - 4), end = mix; at < end; at++) mix = Math.imul(mix, 131) + text.charCodeAt(at)
  return Math.imul(mix, golden)
}

/** 2^32 divided by the golden ratio, the usual factor of multiplicative hashing. */
const golden = 0x9e3779b1
