/** Colours by meaning; each function leaves the text as it is when colours are off. */
export interface Paint {
  readonly bold: Painter
  readonly dim: Painter
  readonly good: Painter
  readonly warn: Painter
  readonly bad: Painter
  readonly name: Painter
}

export type Painter = (text: string) => string

const identity = (text: string): string => text

export const plain: Paint = {
  bold: identity,
  dim: identity,
  good: identity,
  warn: identity,
  bad: identity,
  name: identity,
}

const sgr = (on: number, off: number) => (text: string) => (text === '' ? '' : `\u001b[${on}m${text}\u001b[${off}m`)

export const coloured: Paint = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  good: sgr(32, 39),
  warn: sgr(33, 39),
  bad: sgr(31, 39),
  name: sgr(36, 39),
}

/** @param when of `--color`; `auto` follows the terminal and https://no-color.org */
export function choosePaint(
  when: string | undefined,
  io: { readonly isTerminal: boolean; readonly env: Readonly<Record<string, string | undefined>> },
): Paint {
  if (when === 'always') return coloured
  if (when === 'never') return plain
  const forbidden = (io.env['NO_COLOR'] ?? '') !== '' || io.env['TERM'] === 'dumb'
  return io.isTerminal && !forbidden ? coloured : plain
}

/** Text of others must not move the cursor or repaint the terminal. */
export function withoutControls(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, '').replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '�')
}
