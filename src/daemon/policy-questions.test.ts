import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseQuestions } from './policy-questions.ts'

test('parseQuestions() takes a list and an object with cases, and protocols in any case', () => {
  const cases = [{ name: 'x', from: 'a', to: 'b', port: 'http', protocol: 'udp', expect: 'deny' }]
  const expected = { kind: 'cases', cases: [{ ...cases[0], protocol: 'UDP' }] }
  assert.deepEqual(parseQuestions(cases), expected)
  assert.deepEqual(parseQuestions({ cases }), expected)
  assert.deepEqual(parseQuestions([{ from: 'a', to: 'b' }]), {
    kind: 'cases',
    cases: [{ from: 'a', to: 'b', protocol: 'TCP' }],
  })
})

const fine = { from: 'a', to: 'b' }
const mistakes: readonly (readonly [unknown, readonly string[]])[] = [
  [5, ['cases: expected a list of cases']],
  [{}, ['cases: expected a list of cases']],
  [{ cases: ['x'] }, ['cases[0]: expected an object with from, to and port']],
  [
    [fine, { to: '', prt: 'tcp' }],
    [
      '[1].prt: unknown field, did you mean port?',
      '[1].from: is required: a Workload, a Service or an address',
      '[1].to: is required: a Workload, a Service or an address',
    ],
  ],
  [[{ ...fine, port: 65_536 }], ['[0].port: expected a number from 1 to 65535 or the name of a port']],
  [[{ ...fine, port: '80' }], ['[0].port: expected a number from 1 to 65535 or the name of a port']],
  [[{ ...fine, protocol: 'icmp', name: 1 }], ['[0].name: expected text', '[0].protocol: expected TCP, UDP or SCTP']],
  [[{ ...fine, expect: 'allowed' }], ['[0].expect: expected allow, deny, partly']],
]
for (const [body, problems] of mistakes) {
  test(`parseQuestions() tells what is wrong with ${JSON.stringify(body)}`, () => {
    assert.deepEqual(parseQuestions(body), { kind: 'invalid', problems })
  })
}
