import { unsigned } from './byte-reader.ts'

/** A module of sections, each with its id and its content. */
export function moduleOf(...sections: readonly (readonly [id: number, content: readonly number[]])[]): Uint8Array {
  const parts = sections.flatMap(([id, content]) => [id, ...unsigned(content.length), ...content])
  return Uint8Array.from([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, ...parts])
}

/** The content of a section that is a vector. */
export function vectorOf(...elements: readonly (readonly number[])[]): readonly number[] {
  return [...unsigned(elements.length), ...elements.flat()]
}

export function nameOf(text: string): readonly number[] {
  return [...unsigned(text.length), ...Buffer.from(text)]
}

/** A function without locals: its instructions, and their end. */
export function bodyOf(...instructions: readonly number[]): readonly number[] {
  return [...unsigned(instructions.length + 2), 0, ...instructions, 0x0b]
}
