import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Logger, Problem } from '../core/index.ts'
import { ProblemLog } from './problem-log.ts'

const weight: Problem = {
  severity: 'error',
  resource: 'HTTPRoute shop/cart',
  path: 'spec.rules[0].backendRefs[0].weight',
  message: 'expected a whole number from 0 to 1000000, found text "lots"',
  file: 'shop.yaml',
  line: 12,
}
const unused: Problem = { severity: 'warning', resource: 'Deployment shop/web', path: '', message: 'not used' }

function open(): { readonly log: ProblemLog; readonly told: string[] } {
  const told: string[] = []
  const tell = (level: string) => (message: string, fields?: object) => {
    told.push(`${level} ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`)
  }
  const logger: Logger = { debug: tell('debug'), info: tell('info'), warn: tell('warn'), error: tell('error') }
  return { log: new ProblemLog(logger), told }
}

suite('ProblemLog', () => {
  test('tells a new problem once, however its line moves', () => {
    const { log, told } = open()
    log.update([weight], { isTold: false })
    log.update([{ ...weight, line: 13 }, unused], { isTold: false })
    assert.deepEqual(told, [
      'error shop.yaml:12: HTTPRoute shop/cart: spec.rules[0].backendRefs[0].weight: expected a whole number from 0 to 1000000, found text "lots"',
      'warn Deployment shop/web: not used',
    ])
  })

  test('tells that all is right again, and a problem that comes back', () => {
    const { log, told } = open()
    log.update([unused], { isTold: true })
    log.update([], { isTold: false })
    log.update([], { isTold: false })
    log.update([unused], { isTold: false })
    assert.deepEqual(told, ['info the configuration has no problems any more', 'warn Deployment shop/web: not used'])
  })

  test('counts what would be too much to read', () => {
    const { log, told } = open()
    const many = Array.from({ length: 25 }, (_, index) => ({ ...unused, message: `number ${index}` }))
    log.update(many, { isTold: false })
    assert.equal(told.length, 21)
    assert.equal(told.at(-1), 'warn more problems: heddle status shows all {"more":5}')
  })
})
