import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../core/index.ts'
import type { LogFields } from '../../core/index.ts'
import { AgentLogger } from './agent-logger.ts'
import type { AgentLoggerOptions } from './agent-logger.ts'

function logger(options: Partial<AgentLoggerOptions> = {}): { log: AgentLogger; lines: string[] } {
  const lines: string[] = []
  const clock = new ManualClock()
  clock.advance(Date.UTC(2026, 8, 12, 10, 11, 12, 345))
  const log = new AgentLogger({
    level: 'info',
    format: 'text',
    hasColour: false,
    clock,
    write: line => lines.push(line),
    ...options,
  })
  return { log, lines }
}

const fields: LogFields = { file: 'shop web.yaml', line: 12, isNew: true, none: undefined }

test('text lines have time, level, message and fields', () => {
  const { log, lines } = logger()
  log.info('configuration in force', { version: 3, ...fields })
  log.warn('odd', { empty: '', quoted: 'a"b', path: '/srv/x' })
  assert.deepEqual(lines, [
    '2026-09-12T10:11:12.345Z INFO  configuration in force version=3 file="shop web.yaml" line=12 isNew=true\n',
    '2026-09-12T10:11:12.345Z WARN  odd empty="" quoted="a\\"b" path=/srv/x\n',
  ])
})

test('text lines on a terminal have colour and the time of day', () => {
  const { log, lines } = logger({ hasColour: true })
  log.error('gone', { worker: 2 })
  assert.deepEqual(lines, ['\u001b[2m10:11:12.345\u001b[0m \u001b[31mERROR\u001b[0m gone \u001b[2mworker=\u001b[0m2\n'])
})

test('JSON lines hold the fields as data, and no field replaces time, level or message', () => {
  const { log, lines } = logger({ format: 'json', hasColour: true })
  log.error('gone', { ...fields, level: 'info', message: 'all is well', time: 'never' })
  assert.deepEqual(lines, [
    '{"time":"2026-09-12T10:11:12.345Z","level":"error","message":"gone","file":"shop web.yaml","line":12,"isNew":true}\n',
  ])
})

test('levels below the set one are left out', () => {
  const count = (level: AgentLoggerOptions['level']): number => {
    const { log, lines } = logger({ level })
    log.debug('d')
    log.info('i')
    log.warn('w')
    log.error('e')
    return lines.length
  }
  assert.deepEqual([count('debug'), count('info'), count('warn'), count('error')], [4, 3, 2, 1])
})

test('nothing in a message or a field makes a second line or reaches the terminal', () => {
  const hostile = 'a\n2026-09-12T10:11:12.345Z INFO fake\r\u001b[2J\u009b\u202e\u2028'
  for (const format of ['text', 'json'] as const) {
    const { log, lines } = logger({ format })
    log.info(hostile, { field: hostile })
    assert.equal(lines.length, 1)
    assert.equal(lines[0]?.indexOf('\n'), (lines[0]?.length ?? 0) - 1)
    assert.doesNotMatch(lines[0]?.slice(0, -1) ?? '', /\p{Cc}/u)
    assert.doesNotMatch(lines[0] ?? '', /[\u009b\u202e\u2028]/)
  }
})
