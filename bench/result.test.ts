import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatTable, median, summarise } from './result.ts'
import type { Sample } from './result.ts'

function sample(contestant: string, round: number, value: number): Sample {
  return { case: 'small', metric: 'cpu', contestant, round, value }
}

test('median() is the middle value, or between the two middle ones', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 3, 2]), 2.5)
})

test('summarise() takes the ratios within rounds, not of the medians', () => {
  // The machine slows down over the rounds: the medians are 20 and 18, yet heddle is at twice nginx in each but one.
  const samples = [
    sample('heddle', 0, 10),
    sample('nginx', 0, 5),
    sample('heddle', 1, 20),
    sample('nginx', 1, 18),
    sample('heddle', 2, 40),
    sample('nginx', 2, 20),
  ]
  assert.deepEqual(summarise('http1', samples), [
    {
      suite: 'http1',
      case: 'small',
      metric: 'cpu',
      unit: 'µs/request',
      heddle: 20,
      peers: { nginx: 18 },
      ratio: { nginx: 2 },
      spread: { nginx: [1.111, 2] },
    },
  ])
})

test('summarise() leaves out what heddle did not take part in', () => {
  assert.deepEqual(summarise('http1', [sample('nginx', 0, 5)]), [])
})

test('formatTable() has a line per result and a dash for a peer without a figure', () => {
  const both = summarise('http1', [sample('heddle', 0, 10), sample('nginx', 0, 5)])
  const other: readonly Sample[] = ['heddle', 'direct'].map(name => ({ ...sample(name, 0, 7), metric: 'throughput' }))
  const lines = formatTable([...both, ...summarise('http1', other)]).split('\n')
  assert.equal(lines.length, 3)
  assert.match(lines[1] ?? '', /cpu, µs\/request\s+10\s+5\s+2\.00\s+–$/)
  assert.match(lines[2] ?? '', /throughput, requests\/s\s+7\s+–\s+7\s+1\.00$/)
})
