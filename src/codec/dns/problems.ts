/** Why bytes are no DNS message; stable names with what they mean. */
export const dnsProblems = {
  'short-header': 'fewer than the 12 bytes of a head',
  'cut-off': 'a name, a record or its data ends after the message',
  'label-kind': 'a label begins with the bits 01 or 10, which mean nothing (RFC 6891 section 5)',
  'name-too-long': 'a name of more than 255 bytes (RFC 1035 section 2.3.4)',
  'pointer-forward': 'a compression pointer does not lead to an earlier name, as in a loop (RFC 1035 section 4.1.4)',
  'data-length': 'the data of a record are longer or shorter than its type allows',
  'opt-misplaced': 'an OPT record among answers, with a name, or a second one (RFC 6891 section 6.1.1)',
  'too-many-records': 'more records than any answer has',
  'trailing-bytes': 'bytes after the last record',
} as const

export type DnsProblem = keyof typeof dnsProblems

export interface DnsInvalid {
  readonly kind: 'invalid'
  readonly problem: DnsProblem
}

export function dnsInvalid(problem: DnsProblem): DnsInvalid {
  return { kind: 'invalid', problem }
}
