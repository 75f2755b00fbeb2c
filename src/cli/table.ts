import { withoutControls } from './paint.ts'
import type { Paint } from './paint.ts'

/** A cell: its text, and how it is painted once it has its width. */
export type Cell = string | { readonly text: string; readonly paint: (text: string) => string }

export interface RenderOptions {
  readonly paint: Paint
  /** Undefined for as wide as it takes. */
  readonly width: number | undefined
  /** Every endpoint, however many a service has. @default false */
  readonly areAllShown?: boolean
}

export interface TableOptions {
  readonly paint: Paint
  /** Total width; undefined for as much as it takes. */
  readonly width: number | undefined
  /** Columns whose numbers stand at the right. */
  readonly right?: readonly string[]
  /** Before every line. @default '' */
  readonly indent?: string
}

const gap = 2
/** A column is not cut below this. */
const leastWidth = 8

/**
 * Rows under headers. When the terminal is too narrow, the widest columns give
 * way, and what is cut is cut in the middle, since names differ at both ends.
 */
export function renderTable(
  headers: readonly string[],
  rows: readonly (readonly Cell[])[],
  options: TableOptions,
): string {
  const { paint, indent = '', right = [] } = options
  const cells = rows.map(row => row.map(cell => toCell(cell)))
  const wanted = headers.map((header, column) =>
    cells.reduce((width, row) => Math.max(width, widthOf(row[column]?.text ?? '')), header.length),
  )
  const room = options.width === undefined ? undefined : options.width - indent.length - gap * (headers.length - 1)
  const widths = fit(wanted, room)
  const line = (row: readonly { text: string; paint: (text: string) => string }[]): string => {
    const last = row.findLastIndex(cell => cell.text !== '')
    const parts = row.slice(0, last + 1).map((cell, column) => {
      const width = widths[column] ?? 0
      const cut = cutMiddle(cell.text, width)
      const padding = ' '.repeat(Math.max(0, width - widthOf(cut)))
      if (right.includes(headers[column] ?? '')) return padding + cell.paint(cut)
      return cell.paint(cut) + (column === last ? '' : padding)
    })
    return indent + parts.join(' '.repeat(gap))
  }
  return [line(headers.map(text => ({ text, paint: paint.dim }))), ...cells.map(line)].join('\n')
}

/** `shop/product…ervice`: both ends stay. */
export function cutMiddle(text: string, width: number): string {
  const letters = Array.from(text)
  if (letters.length <= width) return text
  if (width <= 1) return '…'.slice(0, width)
  const head = Math.ceil((width - 1) / 2)
  const tail = width - 1 - head
  return `${letters.slice(0, head).join('')}…${tail === 0 ? '' : letters.slice(-tail).join('')}`
}

function fit(wanted: readonly number[], room: number | undefined): readonly number[] {
  const widths = [...wanted]
  if (room === undefined) return widths
  let excess = widths.reduce((sum, width) => sum + width, 0) - room
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths))
    const width = widths[widest] ?? 0
    if (width <= leastWidth) break
    widths[widest] = width - 1
    excess--
  }
  return widths
}

function toCell(cell: Cell): { text: string; paint: (text: string) => string } {
  return typeof cell === 'string'
    ? { text: withoutControls(cell), paint: text => text }
    : { text: withoutControls(cell.text), paint: cell.paint }
}

/** Names in a mesh are ASCII; a wide letter elsewhere costs alignment only. */
function widthOf(text: string): number {
  return Array.from(text).length
}
