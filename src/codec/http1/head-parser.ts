import { needMore } from './codes.ts'
import type { HeadLimits } from './limits.ts'
import type { Http1Problem } from './problems.ts'

/** Skeleton of the interface; the body follows. */
export class HeadParser {
  readonly kind: 'request' | 'response'
  readonly limits: HeadLimits
  requestMethod: number = 0
  length: number = 0
  method: number = 0
  methodEnd: number = 0
  targetStart: number = 0
  targetEnd: number = 0
  targetForm: number = 0
  pathStart: number = 0
  pathEnd: number = 0
  queryStart: number = -1
  authorityStart: number = 0
  authorityEnd: number = 0
  hostStart: number = 0
  hostEnd: number = 0
  minorVersion: number = 1
  status: number = 0
  reasonStart: number = 0
  reasonEnd: number = 0
  fieldCount: number = 0
  fields: Int32Array = new Int32Array(0)
  fieldIds: Uint8Array = new Uint8Array(0)
  drop: Uint8Array = new Uint8Array(0)
  framing: number = 0
  contentLength: number = 0
  keepAlive: boolean = true
  upgrade: boolean = false
  expectContinue: boolean = false
  problem: Http1Problem | undefined = undefined
  problemStatus: number = 0
  problemAt: number = 0
  constructor(kind: 'request' | 'response', limits: HeadLimits) {
    this.kind = kind
    this.limits = limits
  }
  reset(): void {}
  parse(_bytes: Buffer, _start: number, _end: number): number {
    return needMore
  }
  find(_id: number): number {
    return -1
  }
  findName(_lowerCaseName: string): number {
    return -1
  }
  name(_index: number): string {
    return ''
  }
  value(_index: number): string {
    return ''
  }
  /** Whether the name of field `index` is `lowerCaseName`, in any case. */
  nameEquals(_index: number, _lowerCaseName: string): boolean {
    return false
  }
  /** Whether the value of field `index` is `lowerCaseValue`, in any case. */
  valueEquals(_index: number, _lowerCaseValue: string): boolean {
    return false
  }
}
