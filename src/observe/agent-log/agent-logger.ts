import { writeSync } from 'node:fs'
import type { Clock, LogFields, Logger, LogLevel } from '../../core/index.ts'

export interface AgentLoggerOptions {
  /** Lines below this level are not written. */
  readonly level: LogLevel
  /** `text` is for people, `json` for programs. */
  readonly format: 'text' | 'json'
  /** Only for text. */
  readonly hasColour: boolean
  readonly clock: Clock
  /** Gets each line with its line feed. @default standard error */
  readonly write?: (line: string) => void
}

const ranks: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }

const colours: Readonly<Record<LogLevel, string>> = {
  debug: '\u001b[2m',
  info: '\u001b[36m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
}
const dim = '\u001b[2m'
const plain = '\u001b[0m'

/**
 * The agent's own log, one line per call. Text is `time LEVEL message key=value …`;
 * JSON has `time`, `level`, `message` and the fields beside them. Control characters
 * are escaped in both, so that a name out of a file cannot forge a line.
 */
export class AgentLogger implements Logger {
  readonly #options: AgentLoggerOptions
  readonly #write: (line: string) => void

  constructor(options: AgentLoggerOptions) {
    this.#options = options
    this.#write = options.write ?? writeToStandardError
  }

  debug(message: string, fields?: LogFields): void {
    this.log('debug', message, fields)
  }
  info(message: string, fields?: LogFields): void {
    this.log('info', message, fields)
  }
  warn(message: string, fields?: LogFields): void {
    this.log('warn', message, fields)
  }
  error(message: string, fields?: LogFields): void {
    this.log('error', message, fields)
  }

  /** For a line whose level is data, such as one that a worker thread sent. */
  log(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (ranks[level] < ranks[this.#options.level]) return
    const time = new Date(this.#options.clock.wallMs()).toISOString()
    this.#write(
      this.#options.format === 'json'
        ? jsonLine(time, level, message, fields ?? {})
        : textLine(time, level, message, fields ?? {}, this.#options.hasColour),
    )
  }
}

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  // No field may stand in for one of the three keys of ours.
  const { time: _time, level: _level, message: _message, ...others } = fields
  return `${escapeControls(JSON.stringify({ time, level, message, ...others }))}\n`
}

function textLine(time: string, level: LogLevel, message: string, fields: LogFields, hasColour: boolean): string {
  const paint = (colour: string, text: string): string => (hasColour ? `${colour}${text}${plain}` : text)
  // On a terminal the day is known and the eye looks for the message.
  const parts = [
    paint(dim, hasColour ? time.slice(11, 23) : time),
    paint(colours[level], level.toUpperCase().padEnd(5)),
    escapeControls(message),
  ]
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) parts.push(`${paint(dim, `${key}=`)}${textValue(value)}`)
  }
  return `${parts.join(' ')}\n`
}

function textValue(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value)
  return /^[^\s"=\\\p{Cc}]+$/u.test(value) ? value : escapeControls(JSON.stringify(value))
}

/** Control characters, and what turns the direction of text or ends a line in some viewers. */
const controls = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

function escapeControls(text: string): string {
  return text.replace(controls, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Synchronous: the last lines before an exit are those that matter most. */
function writeToStandardError(line: string): void {
  try {
    writeSync(2, line)
  } catch {
    // Standard error is closed or full; there is no other place to say so.
  }
}
