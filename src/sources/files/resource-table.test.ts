import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formatProblem } from '../../core/index.ts'
import type { AnyResource } from '../schema/resource.ts'
import { ResourceTable } from './resource-table.ts'
import type { ResourceUpdate } from './resource-table.ts'

function namespace(name: string, extra: string = ''): string {
  return `---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${name}\n${extra}`
}

function service(name: string, port: number, labels: string = ''): string {
  return `---
apiVersion: v1
kind: Service
metadata:
  name: ${name}
  namespace: shop${labels === '' ? '' : `\n  labels: { ${labels} }`}
spec:
  ports:
    - port: ${port}
`
}

/** A table, and a short way to give it files. */
class Fixture {
  readonly table = new ResourceTable()
  text(file: string, text: string): ResourceUpdate {
    return this.table.update([{ file, content: { kind: 'text', text } }])
  }
  gone(file: string): ResourceUpdate {
    return this.table.update([{ file, content: { kind: 'gone' } }])
  }
}

function of(update: ResourceUpdate, id: string): AnyResource {
  const resource = update.resources.get(id)
  assert.ok(resource !== undefined, `${id} is in force`)
  return resource
}

function ids(update: ResourceUpdate): string[] {
  return [...update.resources.keys()].toSorted()
}

function told(update: ResourceUpdate): string[] {
  return update.problems.map(formatProblem)
}

describe('changes', () => {
  test('update() tells new, changed and removed ids', () => {
    const files = new Fixture()
    assert.deepEqual(files.text('a.yaml', service('x', 80) + service('y', 80)).changed, [
      'Service shop/x',
      'Service shop/y',
    ])
    assert.deepEqual(files.text('a.yaml', service('x', 81) + service('z', 80)).changed, [
      'Service shop/x',
      'Service shop/z',
      'Service shop/y',
    ])
    assert.deepEqual(files.gone('a.yaml').changed, ['Service shop/x', 'Service shop/z'])
  })

  test('an unchanged resource stays the same object, with its place up to date', () => {
    const files = new Fixture()
    const before = of(files.text('a.yaml', service('x', 80) + service('y', 80)), 'Service shop/y')
    assert.equal(before.origin.line, 11)
    const update = files.text('a.yaml', `# one\n# two\n${service('x', 90)}${service('y', 80)}`)
    assert.equal(of(update, 'Service shop/y'), before)
    assert.equal(before.origin.line, 13)
    assert.deepEqual(update.changed, ['Service shop/x'])
  })

  test('a resource that is only written differently stays the same object', () => {
    const files = new Fixture()
    const before = of(files.text('a.yaml', service('x', 80)), 'Service shop/x')
    const update = files.text('a.yaml', `# comment\n${service('x', 80).replace('port: 80', 'port:   80 # http')}`)
    assert.equal(of(update, 'Service shop/x'), before)
    assert.equal(before.origin.line, 3)
    assert.deepEqual(before.origin.locate('spec.ports[0].port'), { line: 10, column: 7 })
    assert.deepEqual(update.changed, [])
  })

  test('an item of a list keeps its identity when another one changes', () => {
    const files = new Fixture()
    const list = (port: number): string =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'List',
        items: [
          { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' }, spec: { ports: [{ port }] } },
          { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' } },
        ],
      })
    const before = files.text('a.json', list(80))
    const after = files.text('a.json', list(81))
    assert.deepEqual(after.changed, ['Service default/x'])
    assert.equal(of(after, 'Namespace n'), of(before, 'Namespace n'))
  })
})

describe('generation', () => {
  const steps: readonly (readonly [string, string, number])[] = [
    ['starts at one', service('x', 80), 1],
    ['grows with the spec', service('x', 81), 2],
    ['stays when nothing changes', `# c\n${service('x', 81)}`, 2],
    ['stays when only labels change', service('x', 81, 'a: b'), 2],
    ['grows again', service('x', 82, 'a: b'), 3],
    ['grows when the old spec comes back', service('x', 80), 4],
    ['takes a larger one from the file', service('x', 83).replace('  name: x', '  name: x\n  generation: 9'), 9],
    ['does not fall back', service('x', 84), 10],
  ]
  test('counts what changed in this process', () => {
    const files = new Fixture()
    for (const [name, text, expected] of steps) {
      assert.equal(of(files.text('a.yaml', text), 'Service shop/x').metadata.generation, expected, name)
    }
  })

  test('grows on too when a resource moves to another file', () => {
    const files = new Fixture()
    files.text('a.yaml', service('x', 80))
    const update = files.table.update([
      { file: 'a.yaml', content: { kind: 'gone' } },
      { file: 'b.yaml', content: { kind: 'text', text: service('x', 81) } },
    ])
    assert.equal(of(update, 'Service shop/x').metadata.generation, 2)
    assert.equal(of(update, 'Service shop/x').origin.file, 'b.yaml')
  })

  test('starts anew after the resource was away', () => {
    const files = new Fixture()
    files.text('a.yaml', service('x', 80))
    files.text('a.yaml', service('x', 81))
    files.gone('a.yaml')
    assert.equal(of(files.text('a.yaml', service('x', 82)), 'Service shop/x').metadata.generation, 1)
  })
})

describe('duplicates', () => {
  test('the first counts, by the name of the file and then the place in it', () => {
    const files = new Fixture()
    files.text('b.yaml', service('x', 80))
    const update = files.text('a.yaml', namespace('n') + service('x', 81) + service('x', 82))
    const resource = of(update, 'Service shop/x')
    assert.equal(resource.origin.file, 'a.yaml')
    assert.ok(resource.kind === 'Service')
    assert.equal(resource.spec.ports[0]?.port, 81)
    assert.deepEqual(told(update), [
      'a.yaml:16: Service shop/x: is defined already at a.yaml:7, which counts',
      'b.yaml:2: Service shop/x: is defined already at a.yaml:7, which counts',
    ])
  })

  test('the second one takes over when the first goes', () => {
    const files = new Fixture()
    files.text('a.yaml', service('x', 80))
    files.text('b.yaml', service('x', 81))
    const update = files.gone('a.yaml')
    assert.equal(of(update, 'Service shop/x').origin.file, 'b.yaml')
    assert.deepEqual([update.changed, update.problems], [['Service shop/x'], []])
  })
})

/** A policy whose rules are `rules`. */
function closing(app: string, rules: string): string {
  return `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: p
  namespace: shop
spec:
  podSelector: { matchLabels: { app: ${app} } }
  ingress: ${rules}
`
}

describe('NetworkPolicies with mistakes', () => {
  const id = 'NetworkPolicy shop/p'
  const state = (update: ResourceUpdate): unknown => {
    const resource = of(update, id)
    assert.ok(resource.kind === 'NetworkPolicy')
    return [resource.spec.podSelector.matchLabels?.['app'], resource.spec.ingress.length, resource.isStandIn === true]
  }

  test('the last good version stays in force, whatever the new one selects', () => {
    const files = new Fixture()
    files.text('a.yaml', closing('x', '[{}]'))
    const update = files.text('a.yaml', closing('y', '[5]'))
    assert.deepEqual(state(update), ['x', 1, false])
    assert.deepEqual(update.changed, [])
    assert.match(told(update).join('\n'), /; the last good version stays in force$/)
  })

  test('without a good version what they select is closed', () => {
    const files = new Fixture()
    const first = files.text('a.yaml', closing('x', '[5]') + service('s', 80))
    assert.deepEqual(state(first), ['x', 0, true])
    assert.match(told(first).join('\n'), /; until it is right, what its podSelector selects is closed for ingress$/)
    // Another mistake, and other pods: a stand-in is no good version.
    const second = files.text('a.yaml', closing('y', '[6]') + service('s', 80))
    assert.deepEqual(state(second), ['y', 0, true])
    // Something else in the file changes.
    const third = files.text('a.yaml', closing('y', '[6]') + service('s', 81))
    assert.deepEqual(third.changed, ['Service shop/s'])
    assert.equal(of(third, id), of(second, id))
    // Nothing of the new one can be read: what is closed stays so.
    const fourth = files.text('a.yaml', closing('[', '[6]') + service('s', 81))
    assert.deepEqual(state(fourth), ['y', 0, true])
    const mended = files.text('a.yaml', closing('y', '[{}]') + service('s', 81))
    assert.deepEqual(state(mended), ['y', 1, false])
    assert.deepEqual(told(mended), [])
    assert.equal(files.text('a.yaml', service('s', 81)).resources.has(id), false)
  })

  test('the operator is told when too little can be read to close anything', () => {
    const files = new Fixture()
    for (const text of [closing('5', '[]'), closing('[', '[]')]) {
      const update = files.text('a.yaml', text)
      assert.equal(update.resources.has(id), false)
      assert.match(told(update).join('\n'), /; too little of it can be read to close anything in its place/)
    }
  })

  test('a good one of the same name in the file counts alone', () => {
    const update = new Fixture().text('a.yaml', closing('x', '[{}]') + closing('y', '[5]'))
    assert.deepEqual(state(update), ['x', 1, false])
    assert.equal(told(update).length, 1)
  })
})

describe('last good version', () => {
  const good = service('x', 80) + service('y', 80)

  const breaks: readonly (readonly [string, string, readonly string[], RegExp])[] = [
    [
      'a wrong value',
      good.replace('port: 80', 'port: http'),
      ['x', 'y'],
      /Service shop\/x.*; the last good version stays in force$/,
    ],
    [
      'a mistake of syntax',
      good.replace('kind: Service', 'kind: "Service'),
      ['x', 'y'],
      /; the last good version stays in force$/,
    ],
    [
      'a mistake of syntax in the name',
      good.replace('name: x', 'name: [x'),
      ['x', 'y'],
      /; Service shop\/x stays in force$/,
    ],
    ['a wrong name', good.replace('name: x', 'name: X'), ['x', 'y'], /; Service shop\/x stays in force$/],
    ['a wrong kind', good.replace('kind: Service', 'kind: Servis'), ['x', 'y'], /; Service shop\/x stays in force$/],
    ['a document without a mistake gone', service('y', 80), ['y'], /^$/],
    ['one gone and another one broken', service('y', 80).replace('port: 80', 'port: http'), ['y'], /; the last good/],
  ]
  for (const [name, text, left, message] of breaks) {
    test(`survives ${name}`, () => {
      const files = new Fixture()
      const before = files.text('a.yaml', good)
      const update = files.text('a.yaml', text)
      assert.deepEqual(
        ids(update),
        left.map(each => `Service shop/${each}`),
      )
      for (const id of update.resources.keys()) assert.equal(of(update, id), of(before, id))
      assert.match(told(update)[0] ?? '', message)
    })
  }

  test('lasts over several bad versions and ends with a good one', () => {
    const files = new Fixture()
    files.text('a.yaml', service('x', 80))
    files.text('a.yaml', service('x', 0))
    const still = files.text('a.yaml', service('x', -1))
    assert.equal(of(still, 'Service shop/x').metadata.generation, 1)
    assert.equal(still.problems.length, 1)
    const update = files.text('a.yaml', service('x', 81))
    assert.equal(of(update, 'Service shop/x').metadata.generation, 2)
    assert.deepEqual(update.problems, [])
    assert.deepEqual(ids(files.text('a.yaml', '')), [])
  })

  test('goes with the file', () => {
    const files = new Fixture()
    files.text('a.yaml', service('x', 80))
    files.text('a.yaml', 'x: "')
    const update = files.gone('a.yaml')
    assert.deepEqual([ids(update), update.problems], [[], []])
  })

  test('does not exist for a new resource', () => {
    const update = new Fixture().text('a.yaml', service('x', 0))
    assert.deepEqual(ids(update), [])
    assert.doesNotMatch(told(update)[0] ?? '', /in force/)
  })

  test('stays when the file cannot be read; there is none of a root that was never there', () => {
    const files = new Fixture()
    files.text('a.yaml', service('x', 80))
    const unreadable = files.table.update([{ file: 'a.yaml', content: { kind: 'unreadable', reason: 'is too large' } }])
    assert.deepEqual(ids(unreadable), ['Service shop/x'])
    assert.deepEqual(told(unreadable), ['a.yaml: is too large; the last good version stays in force'])
    const missing = new Fixture().table.update([
      { file: 'b.yaml', content: { kind: 'missing', reason: 'does not exist' } },
    ])
    assert.deepEqual([ids(missing), told(missing)], [[], ['b.yaml: does not exist']])
  })
})

test('problems of unchanged documents move with their lines', () => {
  const files = new Fixture()
  const bad = service('x', 0)
  assert.deepEqual([files.text('a.yaml', bad).problems[0]?.line], [9])
  assert.deepEqual([files.text('a.yaml', `# one\n# two\n${bad}`).problems[0]?.line], [11])
})
