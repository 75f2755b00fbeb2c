import type { Kind } from './operation.ts'

export interface Request {
  readonly method: string
  readonly kind: Kind
  readonly size: number
  readonly tag: string
  readonly body: string
  /** Of its bytes, when it is whole. */
  readonly end: number
  readonly isWhole: boolean
}

/** The request at the front of `text`; undefined before its head is there. Well-formed ones only. */
export function parseRequest(text: string): Request | undefined {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const head = text.slice(0, headEnd)
  const [method = '', target = ''] = head.split(' ', 2)
  const [path = '', tag = ''] = target.split('?', 2)
  const [, , kind = 'length', size = '0'] = path.split('/')
  const request = { method, kind: kind as Kind, size: Number(size), tag }
  const start = headEnd + 4
  if (/^transfer-encoding: *chunked/im.test(head)) {
    let body = ''
    let at = start
    for (;;) {
      const lineEnd = text.indexOf('\r\n', at)
      const bytes = lineEnd < 0 ? Number.NaN : Number.parseInt(text.slice(at, lineEnd), 16)
      if (Number.isNaN(bytes) || text.length < lineEnd + bytes + 4) return { ...request, body, end: 0, isWhole: false }
      at = lineEnd + bytes + 4
      if (bytes === 0) return { ...request, body, end: at, isWhole: true }
      body += text.slice(lineEnd + 2, lineEnd + 2 + bytes)
    }
  }
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
  const isWhole = text.length >= start + length
  return { ...request, body: isWhole ? text.slice(start, start + length) : '', end: start + length, isWhole }
}
