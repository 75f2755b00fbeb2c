import type { ReplyReason } from '../../model/index.ts'

/** Reason of a refusal whose status the codec or a timeout decided. */
export function refusalReason(status: number): ReplyReason {
  switch (status) {
    case 408:
      return 'request-timeout'
    case 414:
      return 'uri-too-long'
    case 417:
      return 'expectation-failed'
    case 431:
      return 'headers-too-large'
    case 505:
      return 'version-not-supported'
    default:
      return 'bad-request'
  }
}
