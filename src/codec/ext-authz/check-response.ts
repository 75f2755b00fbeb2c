import { ProtobufReader } from '../protobuf/reader.ts'

/** A header that the authorizer wants, and how: `HeaderValueOption`. */
export interface CheckHeader {
  readonly name: string
  readonly value: string
  /** What `append` says; undefined where it is absent. */
  readonly append: boolean | undefined
  /** Number of `append_action`: 0 append or add, 1 add if absent, 2 overwrite or add, 3 overwrite if present. */
  readonly action: number
}

export interface CheckResponse {
  /** A code of gRPC; 0 lets the request pass. */
  readonly code: number
  readonly message: string
  /** For the request that goes to the backend. */
  readonly requestHeaders: readonly CheckHeader[]
  readonly headersToRemove: readonly string[]
  /** For the answer that goes to the client. */
  readonly responseHeaders: readonly CheckHeader[]
  /** Whether it asks for changes of the query. */
  readonly changesQuery: boolean
  /** Of a refusal; 0 and empty where it is silent. */
  readonly deniedStatus: number
  readonly deniedHeaders: readonly CheckHeader[]
  readonly deniedBody: string
}

/** `envoy.service.auth.v3.CheckResponse`; undefined for bytes that are no such message. */
export function decodeCheckResponse(message: Uint8Array): CheckResponse | undefined {
  const reader = new ProtobufReader(message)
  const into = {
    code: 0,
    message: '',
    requestHeaders: [] as CheckHeader[],
    headersToRemove: [] as string[],
    responseHeaders: [] as CheckHeader[],
    changesQuery: false,
    deniedStatus: 0,
    deniedHeaders: [] as CheckHeader[],
    deniedBody: '',
  }
  while (reader.next()) {
    if (reader.field === 1) readStatus(reader.message(), into)
    else if (reader.field === 2) readDenied(reader.message(), into)
    else if (reader.field === 3) readOk(reader.message(), into)
  }
  return reader.problem === undefined ? into : undefined
}

type Draft = { -readonly [K in keyof CheckResponse]: CheckResponse[K] } & {
  requestHeaders: CheckHeader[]
  headersToRemove: string[]
  responseHeaders: CheckHeader[]
  deniedHeaders: CheckHeader[]
}

function readStatus(reader: ProtobufReader, into: Draft): void {
  while (reader.next()) {
    if (reader.field === 1) into.code = reader.int32()
    else if (reader.field === 2) into.message = reader.string()
  }
}

function readDenied(reader: ProtobufReader, into: Draft): void {
  while (reader.next()) {
    if (reader.field === 1) {
      const status = reader.message()
      while (status.next()) if (status.field === 1) into.deniedStatus = status.int32()
    } else if (reader.field === 2) {
      into.deniedHeaders.push(readHeader(reader.message()))
    } else if (reader.field === 3) {
      into.deniedBody = reader.string()
    }
  }
}

function readOk(reader: ProtobufReader, into: Draft): void {
  while (reader.next()) {
    if (reader.field === 2) into.requestHeaders.push(readHeader(reader.message()))
    else if (reader.field === 5) into.headersToRemove.push(reader.string())
    else if (reader.field === 6) into.responseHeaders.push(readHeader(reader.message()))
    else if (reader.field === 7 || reader.field === 8) into.changesQuery = true
  }
}

function readHeader(reader: ProtobufReader): CheckHeader {
  let name = ''
  let value = ''
  let append: boolean | undefined
  let action = 0
  while (reader.next()) {
    if (reader.field === 1) {
      const pair = reader.message()
      while (pair.next()) {
        if (pair.field === 1) name = pair.string()
        else if (pair.field === 2) value = pair.string()
        else if (pair.field === 3) value = Buffer.from(pair.bytes()).toString('latin1')
      }
    } else if (reader.field === 2) {
      append = false
      const wrapped = reader.message()
      while (wrapped.next()) if (wrapped.field === 1) append = wrapped.bool()
    } else if (reader.field === 3) {
      action = reader.int32()
    }
  }
  return { name, value, append, action }
}
