import { HeaderMap } from '../../codec/index.ts'
import type { HeaderField } from '../../codec/index.ts'
import type { Flow, HttpStreamHost, LocalResponse, MessageSink, TcpStreamHost } from './ports.ts'
import type { PropertyValue } from './property-value.ts'
import { StreamProperties } from './stream-properties.ts'

/** Writes down what comes out of a stream, a line for each event. */
export class RecordingHost implements HttpStreamHost, TcpStreamHost {
  readonly events: string[] = []
  readonly attributes: Map<string, PropertyValue> = new Map()
  readonly properties: StreamProperties
  readonly request: MessageSink = this.#sink('request')
  readonly response: MessageSink = this.#sink('response')
  readonly toUpstream = (bytes: Uint8Array, flow: Flow): void => this.#data('upstream', bytes, flow)
  readonly toDownstream = (bytes: Uint8Array, flow: Flow): void => this.#data('downstream', bytes, flow)

  /** @param connection  of several streams */
  constructor(connection?: object) {
    this.properties = new StreamProperties(connection)
  }

  /** The events since the last time. */
  take(): readonly string[] {
    return this.events.splice(0)
  }

  respond({ status, details, headers, body, grpcStatus }: LocalResponse): void {
    const grpc = grpcStatus === undefined ? '' : ` grpc ${grpcStatus}`
    this.events.push(`respond ${status} ${details}${grpc} ${fieldsOf(headers)} ${textOf(body)}`.trimEnd())
  }

  reset(): void {
    this.events.push('reset')
  }

  close(side: string): void {
    this.events.push(`close ${side}`)
  }

  clearRouteCache(): void {
    this.events.push('clear route cache')
  }

  property(group: string, name: string | undefined): PropertyValue | undefined {
    return this.attributes.get(name === undefined ? group : `${group}.${name}`)
  }

  #sink(name: string): MessageSink {
    return {
      headers: (headers, flow) => void this.events.push(`${name} headers ${fieldsOf(headers)}${endOf(flow)}`),
      body: (bytes, flow) => void this.events.push(`${name} body ${textOf(bytes)}${endOf(flow)}`),
      trailers: trailers => void this.events.push(`${name} trailers ${fieldsOf(trailers)}`),
    }
  }

  #data(side: string, bytes: Uint8Array, flow: Flow): void {
    this.events.push(`to ${side} ${textOf(bytes)}${endOf(flow)}`)
  }
}

export function request(...more: readonly HeaderField[]): HeaderMap {
  return HeaderMap.of([[':method', 'GET'], [':path', '/items?id=7'], [':authority', 'shop'], ...more])
}

export function response(...more: readonly HeaderField[]): HeaderMap {
  return HeaderMap.of([[':status', '200'], ...more])
}

export function bytes(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}

/** What pseudo-headers say, then `name=value`. */
export function fieldsOf(map: HeaderMap): string {
  return [...map].map(([name, value]) => (name.startsWith(':') ? value : `${name}=${value}`)).join(' ')
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

function endOf(flow: Flow): string {
  return flow === 'end' ? ' end' : ''
}
