import { defaultHeadLimits, HeadParser } from '../../codec/index.ts'
import type { HeaderList, HeaderMap } from '../../codec/index.ts'
import { Http1Request } from '../pipeline/http1-request.ts'
import type { IncomingRequest } from '../pipeline/incoming-request.ts'

/** RFC 8441: the pseudo-headers that the plugins do not see go before those that they do. */
export function extendedConnect(list: HeaderList, original: HeaderList): HeaderList {
  const connect = original.copy()
  connect.clear()
  for (const entry of [original.method, original.protocol, list.path, list.scheme, list.authority]) {
    if (entry !== undefined) connect.add(entry)
  }
  for (const entry of list.entries.slice(0, list.length)) if (!entry.name.startsWith(':')) connect.add(entry)
  return connect
}

/** The upgrade that came, with what the plugins made of its fields. */
export function asHttp1(original: IncomingRequest, map: HeaderMap): IncomingRequest {
  let text = `${map.get(':method') ?? ''} ${map.get(':path') ?? ''} HTTP/1.1\r\nhost: ${map.get(':authority') ?? ''}\r\n`
  text += `connection: upgrade\r\nupgrade: ${original.header('upgrade') ?? ''}\r\n`
  for (const [name, value] of map) {
    if (!name.startsWith(':') && name !== 'connection' && name !== 'upgrade' && name !== 'host')
      text += `${name}: ${value}\r\n`
  }
  const bytes = Buffer.from(`${text}\r\n`, 'latin1')
  const head = new HeadParser('request', defaultHeadLimits)
  head.parse(bytes, 0, bytes.length)
  const request = new Http1Request().bind(head, bytes, 0)
  if (head.problem !== undefined) request.refusal = 'bad-request'
  return request
}
