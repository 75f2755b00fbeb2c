import type { DnsProblem } from './problems.ts'

/** Bytes that are no DNS message, for tests of whoever reads one. */
export interface MalformedDns {
  readonly name: string
  readonly bytes: Uint8Array
  readonly problem: DnsProblem
}

/** Hexadecimal with spaces anywhere. */
const hex = (text: string): Uint8Array => Uint8Array.fromHex(text.replaceAll(/\s/g, ''))

/** A head with these counts; the id is 1 and the flag RD is set. */
const head = (...counts: readonly number[]): string =>
  `0001 0100 ${counts.map(count => count.toString(16).padStart(4, '0')).join(' ')}`

const question = '01 61 00 0001 0001'
const opt = '00 0029 04d0 00000000 0000'
/** An owner that points at the question's name, class IN and a TTL. */
const record = (type: string, length: string, data: string): string => `c00c ${type} 0001 00000005 ${length} ${data}`

export const malformedDns: readonly MalformedDns[] = [
  { name: 'nothing', bytes: hex(''), problem: 'short-header' },
  { name: 'eleven bytes', bytes: hex('0001 0100 0001 0000 0000 00'), problem: 'short-header' },
  { name: 'a question that is not there', bytes: hex(head(1, 0, 0, 0)), problem: 'cut-off' },
  { name: 'a name without end', bytes: hex(`${head(1, 0, 0, 0)} 01 61`), problem: 'cut-off' },
  { name: 'a label that ends after the message', bytes: hex(`${head(1, 0, 0, 0)} 05 61`), problem: 'cut-off' },
  { name: 'a question without its class', bytes: hex(`${head(1, 0, 0, 0)} 01 61 00 0001`), problem: 'cut-off' },
  { name: 'half a pointer', bytes: hex(`${head(1, 0, 0, 0)} c0`), problem: 'cut-off' },
  { name: 'a pointer at itself', bytes: hex(`${head(1, 0, 0, 0)} c00c 0001 0001`), problem: 'pointer-forward' },
  {
    name: 'a name that points at its own beginning',
    bytes: hex(`${head(1, 0, 0, 0)} 01 61 c00c 0001 0001`),
    problem: 'pointer-forward',
  },
  {
    name: 'two pointers at each other',
    bytes: hex(`${head(2, 0, 0, 0)} c012 0001 0001 c00c 0001 0001`),
    problem: 'pointer-forward',
  },
  { name: 'a pointer behind the end', bytes: hex(`${head(1, 0, 0, 0)} ffff 0001 0001`), problem: 'pointer-forward' },
  { name: 'a pointer into the head', bytes: hex(`${head(1, 0, 0, 0)} c004 0001 0001`), problem: 'pointer-forward' },
  { name: 'a label of kind 01', bytes: hex(`${head(1, 0, 0, 0)} 41 61 00 0001 0001`), problem: 'label-kind' },
  { name: 'a label of kind 10', bytes: hex(`${head(1, 0, 0, 0)} 81 61 00 0001 0001`), problem: 'label-kind' },
  {
    name: 'a name of 256 bytes',
    bytes: hex(`${head(1, 0, 0, 0)} ${`3f${'61'.repeat(63)}`.repeat(3)} 3e${'61'.repeat(62)} 00 0001 0001`).slice(),
    problem: 'name-too-long',
  },
  {
    name: 'a name that is too long by a pointer',
    bytes: hex(
      `${head(2, 0, 0, 0)} ${`3f${'61'.repeat(63)}`.repeat(3)} 00 0001 0001 3f${'62'.repeat(63)} c00c 0001 0001`,
    ),
    problem: 'name-too-long',
  },
  { name: 'a record without its head', bytes: hex(`${head(1, 1, 0, 0)} ${question} c00c 0001`), problem: 'cut-off' },
  {
    name: 'data that end after the message',
    bytes: hex(`${head(1, 1, 0, 0)} ${question} ${record('0001', '0004', '7f')}`),
    problem: 'cut-off',
  },
  {
    name: 'an A record of three bytes',
    bytes: hex(`${head(1, 1, 0, 0)} ${question} ${record('0001', '0003', '7f0000')}`),
    problem: 'data-length',
  },
  {
    name: 'an AAAA record of four bytes',
    bytes: hex(`${head(1, 1, 0, 0)} ${question} ${record('001c', '0004', '7f000001')}`),
    problem: 'data-length',
  },
  {
    name: 'a CNAME with a byte too many',
    bytes: hex(`${head(1, 1, 0, 0)} ${question} ${record('0005', '0003', 'c00c00')}`),
    problem: 'data-length',
  },
  {
    name: 'a CNAME longer than its data',
    bytes: hex(`${head(1, 1, 0, 0)} ${question} ${record('0005', '0001', '01 61 00')}`),
    problem: 'data-length',
  },
  {
    name: 'an SRV without a target',
    bytes: hex(`${head(1, 1, 0, 0)} ${question} ${record('0021', '0006', '000000640050')}`),
    problem: 'data-length',
  },
  {
    name: 'an SOA without its minimum',
    bytes: hex(`${head(1, 0, 1, 0)} ${question} ${record('0006', '0014', `c00cc00c${'00000001'.repeat(4)}`)}`),
    problem: 'data-length',
  },
  {
    name: 'an OPT among answers',
    bytes: hex(`${head(1, 1, 0, 0)} ${question} ${opt}`),
    problem: 'opt-misplaced',
  },
  { name: 'two OPTs', bytes: hex(`${head(1, 0, 0, 2)} ${question} ${opt} ${opt}`), problem: 'opt-misplaced' },
  {
    name: 'an OPT with a name',
    bytes: hex(`${head(1, 0, 0, 1)} ${question} c00c 0029 04d0 00000000 0000`),
    problem: 'opt-misplaced',
  },
  {
    name: 'a byte behind the last record',
    bytes: hex(`${head(1, 0, 0, 0)} ${question} 00`),
    problem: 'trailing-bytes',
  },
  { name: 'counts beyond reason', bytes: hex(`${head(65535, 65535, 65535, 65535)}`), problem: 'too-many-records' },
]
