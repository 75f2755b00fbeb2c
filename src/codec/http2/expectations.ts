import type { errorCodes } from './codes.ts'
import type { Http2Problem } from './problems.ts'
import type { Expected } from './run-case.ts'

export function connectionError(code: keyof typeof errorCodes, problem: Http2Problem): Expected {
  return { kind: 'connection', code, problem }
}

export function streamError(code: keyof typeof errorCodes, problem: Http2Problem, streamId: number = 1): Expected {
  return { kind: 'stream', streamId, code, problem }
}

export const fine: Expected = { kind: 'fine' }
