import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evaluateCel } from './evaluate.ts'
import { parseCel } from './syntax.ts'
import { CelFault, CelRecord, CelTime, CelType, CelUint } from './values.ts'
import type { CelValue } from './values.ts'

const ann = record({ name: 'ann', age: 30n, tags: ['a', 'b'], id: new CelUint(7n) })
const names: Readonly<Record<string, CelValue>> = {
  ann,
  text: 'a text',
  at: new CelTime('timestamp', 90_061_500_000_000n),
}

function record(fields: Readonly<Record<string, CelValue>>): CelRecord {
  const made = new CelRecord()
  for (const [name, value] of Object.entries(fields)) made.add(name, value)
  return made
}

function evaluate(text: string): CelValue {
  return evaluateCel(parseCel(text), name => names[name])
}

const values: readonly (readonly [string, CelValue])[] = [
  ['1 + 2 * 3 - -4', 11n],
  ['(1 + 2) * 3', 9n],
  ['7 / 2', 3n],
  ['-7 / 2', -3n],
  ['-7 % 2', -1n],
  ['7.0 / 2.0', 3.5],
  ['0x10', 16n],
  ['1e3', 1000],
  ['.5', 0.5],
  ['3u + 4u', new CelUint(7n)],
  ['-9223372036854775808', -(2n ** 63n)],
  ['!true', false],
  ['!!true', true],
  ['- -5', 5n],
  ['-ann.age', -30n],
  ['1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 3', true],
  ['1 == 1.0 && 1u == 1 && 1 != 2', true],
  ['1 < 1.5 && 2u > 1', true],
  ["1 == '1'", false],
  ["'a' < 'b' && b'a' < b'b' && false < true", true],
  ["'\\uffff' < '\\U00010000'", true],
  ['0.0 / 0.0 == 0.0 / 0.0', false],
  ['0.0 / 0.0 < 1.0', false],
  ['1.0 / 0.0 >= 1.0 / 0.0', true],
  ["'a' + 'b'", 'ab'],
  ['[1] + [2]', [1n, 2n]],
  ["true ? 'yes' : 'no'", 'yes'],
  ["'b' in ann.tags && !('c' in ann.tags) && 'age' in ann", true],
  ["ann.tags[1] + ann['name']", 'bann'],
  ['has(ann.name) && !has(ann.none)', true],
  ['{1: 2, "a": 3}[1u]', 2n],
  ['{"a": [1, {"b": 2}]} == {"a": [1.0, {"b": 2u}]}', true],
  ['[1, 2, 3,].size() == size(ann.tags) + 1', true],
  ["size('añ😀') == 3 && size(b'añ') == 3 && {'a': 1}.size() == 1", true],
  ["text.startsWith('a ') && text.endsWith('xt') && text.contains('te')", true],
  ["text.matches('^a.t[ex]+t$') && matches(text, 'x') && !text.matches('y')", true],
  ['[1, 2].all(x, x > 0) && [1, 2].exists(x, x > 1) && [1, 2].exists_one(x, x > 1)', true],
  ['[1, 2, 3].filter(x, x > 1).map(y, y * y)', [4n, 9n]],
  ['[1, 2, 3].map(x, x > 1, x * 10)', [20n, 30n]],
  ["ann.exists(key, key == 'age')", true],
  ['[1, 2].exists(x, [2, 3].exists(y, x == y))', true],
  ['[].all(x, x)', true],
  // What one side decides, the other's fault does not change.
  ['none || true', true],
  ['false && 1 / 0 == 1', false],
  ['[0, 1].exists(x, 1 / x == 1)', true],
  ['[0, 2].all(x, 4 / x == 1)', false],
  ["int('12') + int(3.9) + int(4u)", 19n],
  ["uint(3) == 3u && double('1.5') == 1.5 && double(2) == 2.0", true],
  ["string(12) + string(1.5) + string(true) + string(b'x')", '121.5truex'],
  ["bool('true') && !bool('f')", true],
  ["bytes('a') == b'a' && b'\\xff' != b'ÿ' && b'\\xc3\\xbf' == b'ÿ'", true],
  ['type(1) == int && type("") == string && type(type(1)) == type', true],
  ['type(at)', new CelType('google.protobuf.Timestamp')],
  ["timestamp('1970-01-01T01:00:00.5+01:00') == timestamp('1970-01-01T00:00:00.5Z')", true],
  ["string(timestamp('2026-02-03T04:05:06.070Z'))", '2026-02-03T04:05:06.07Z'],
  ['string(timestamp(-1))', '1969-12-31T23:59:59Z'],
  ["at - timestamp(1) + duration('1m0.5s') > duration('25h')", true],
  ["string(duration('-1h1.5s'))", '-3601.5s'],
  ["string(duration('-500ms'))", '-0.5s'],
  ["duration('90m').getHours() == 1 && duration('90m').getMinutes() == 90", true],
  [
    'at.getFullYear() == 1970 && at.getMonth() == 0 && at.getDate() == 2 && at.getDayOfMonth() == 1 && at.getDayOfYear() == 1',
    true,
  ],
  ['at.getDayOfWeek() == 5 && at.getHours() == 1 && at.getMinutes() == 1 && at.getSeconds() == 1', true],
  ['at.getMilliseconds()', 500n],
  ['int(at)', 90_061n],
  ['dyn(null) == null && [null][0] == null && {1: null}[1] == null', true],
  ['null', null],
  ["'''it's \"\\x41\\101\\n\"'''", 'it\'s "AA\n"'],
  ['r\'\\d\' + R"\\"', '\\d\\'],
  ['"a" // a comment\n + "b"', 'ab'],
  [Array(200).fill('true').join(' && '), true],
]

test('expressions have the values that the language gives them', () => {
  for (const [text, value] of values) assert.deepEqual(evaluate(text), value, text)
})

test('what has no value is a fault that says why', () => {
  for (const [text, problem] of [
    ['none', /there is no none/],
    ['ann.none', /there is no none/],
    ["ann['none']", /no such key/],
    ['ann.tags[2]', /there is no item 2 in a list of 2/],
    ['ann.name.first', /string has no fields/],
    ['1 / 0', /division by zero/],
    ['9223372036854775807 + 1', /an int is out of range/],
    ['1u - 2u', /a uint is out of range/],
    ['1 + 1.0', /there is no \+\(int, double\)/],
    ["1 < 'a'", /there is no <\(int, string\)/],
    ['1 ? 2 : 3', /\? takes a boolean/],
    ['true && 1', /take booleans/],
    ['[1].all(x, x)', /all\(\) asks for a boolean/],
    ['[0, 1].map(x, 1 / x)', /division by zero/],
    ['1.exists(x, true)', /exists\(\) takes a list or a map/],
    ["int('x')", /no int/],
    ["string(b'\\xff')", /no UTF-8/],
    ["timestamp('yesterday')", /no timestamp/],
    ["duration('1 day')", /no duration/],
    ["'a'.matches('(a)\\\\1')", /linear time/],
    ["'a'.matches('(')", /linear time/],
    ['{1: 2, 1u: 3}', /twice/],
    ['size(1)', /there is no size\(int\)/],
    ['size()', /there is no size\(\)/],
  ] as const) {
    const result = evaluate(text)
    assert.ok(result instanceof CelFault, text)
    assert.match(result.message, problem)
  }
})

test('what is no expression is told with its place', () => {
  for (const [text, problem] of [
    ['', /unexpected the end at 0/],
    ['1 +', /unexpected the end at 3/],
    ['(1', /\) is missing at 2/],
    ['a b', /the end is missing at 2/],
    ['a.1', /the end is missing at 1|a name is missing/],
    ["'a", /the text at 0 has no end/],
    ["'\\q'", /is no escape/],
    ["'\\ud800'", /is no character/],
    ['a # b', /unexpected "#" at 2/],
    ['nothing(1)', /there is no function nothing/],
    ["'a'.nothing()", /there is no function \.nothing/],
    ['has(a)', /has\(\) takes a field/],
    ['[1].all(1, true)', /is a name/],
    ['for', /is a word of the language/],
    ['9223372036854775808', /too large/],
    ['99999999999999999999', /too large/],
    ['18446744073709551616u', /too large/],
    ['('.repeat(101) + '1' + ')'.repeat(101), /nests deeper than 100/],
    ['!'.repeat(101) + 'true', /nests deeper than 100/],
    ['1' + ' + 1'.repeat(102), /more than 100 operators/],
    ['a' + '.b'.repeat(102), /more than 100 members/],
  ] as const) {
    assert.throws(
      () => parseCel(text),
      (error: unknown) => error instanceof CelFault && problem.test(error.message),
      text,
    )
  }
})

test('an evaluation ends, whatever it says and reads', () => {
  const list = `[${Array.from({ length: 40 }, (_, index) => index).join(',')}]`
  const nested = ['a', 'b', 'c', 'd', 'e'].reduceRight((inner, name) => `${list}.all(${name}, ${inner})`, 'true')
  // A text that each step makes twice as long.
  const doubled = Array.from({ length: 40 }).reduce<string>(inner => `[x + x].map(x, ${inner})`, 'x')
  for (const text of [
    nested,
    `${list}.all(a, ${list}.all(b, !text.contains('${'y'.repeat(5000)}')))`,
    `'${'a'.repeat(20_000)}b'.matches('(a+)+$${'c?'.repeat(200)}')`,
    `${nested} || true`,
    `['x'].map(x, ${doubled})`,
  ]) {
    const result = evaluate(text)
    assert.ok(result instanceof CelFault && /costs more than/.test(result.message), text.slice(0, 60))
  }
  assert.equal(evaluate(`'${'a'.repeat(1000)}b'.matches('^(a+)+$')`), false)
})
