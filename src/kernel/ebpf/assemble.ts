/**
 * One instruction of the BPF machine, for programs of a few lines that have no object file.
 * @see https://docs.kernel.org/bpf/standardization/instruction-set.html
 */
export type Instruction =
  /** `register = value`, of 64 bits. */
  | { readonly op: 'set'; readonly register: number; readonly value: number }
  /** `to = from`, of 64 bits. */
  | { readonly op: 'move'; readonly to: number; readonly from: number }
  /** `register += value`. */
  | { readonly op: 'add'; readonly register: number; readonly value: number }
  /** Stores `value`, of 64 bits, at `register + offset`. */
  | { readonly op: 'store'; readonly register: number; readonly offset: number; readonly value: number }
  /** Loads 64 bits at `from + offset`. */
  | { readonly op: 'load'; readonly to: number; readonly from: number; readonly offset: number }
  /** The address of a map, by its descriptor. */
  | { readonly op: 'load-map'; readonly to: number; readonly fd: number }
  /** A helper by its number in linux/bpf.h: arguments in registers 1 to 5, the answer in 0. */
  | { readonly op: 'call'; readonly helper: number }
  | { readonly op: 'exit' }

/** Bytes for BPF_PROG_LOAD. @throws RangeError for a number that has no room in an instruction */
export function assemble(program: readonly Instruction[]): Buffer {
  return Buffer.concat(program.map(encode))
}

function encode(instruction: Instruction): Buffer {
  switch (instruction.op) {
    case 'set':
      return word(0xb7, { to: instruction.register, value: instruction.value })
    case 'move':
      return word(0xbf, { to: instruction.to, from: instruction.from })
    case 'add':
      return word(0x07, { to: instruction.register, value: instruction.value })
    case 'store':
      return word(0x7a, { to: instruction.register, offset: instruction.offset, value: instruction.value })
    case 'load':
      return word(0x79, { to: instruction.to, from: instruction.from, offset: instruction.offset })
    case 'load-map':
      // Source 1 says that the number is a descriptor.
      return Buffer.concat([word(0x18, { to: instruction.to, from: 1, value: instruction.fd }), Buffer.alloc(8)])
    case 'call':
      return word(0x85, { value: instruction.helper })
    case 'exit':
      return word(0x95, {})
  }
}

function word(
  opcode: number,
  of: { readonly to?: number; readonly from?: number; readonly offset?: number; readonly value?: number },
): Buffer {
  const bytes = Buffer.alloc(8)
  const { to = 0, from = 0, offset = 0, value = 0 } = of
  for (const register of [to, from]) {
    if (!Number.isInteger(register) || register < 0 || register > 10) throw new RangeError(`no register ${register}`)
  }
  bytes[0] = opcode
  bytes[1] = (from << 4) | to
  bytes.writeInt16LE(offset, 2)
  bytes.writeInt32LE(value, 4)
  return bytes
}
