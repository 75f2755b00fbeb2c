import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readProperty } from './plugin-property.ts'

test('readProperty() gives attributes their own types, and others the one that is named', () => {
  for (const [text, property] of [
    ['source.address=10.0.0.1:4567', ['source.address', '10.0.0.1:4567']],
    ['source.port=4567', ['source.port', 4567n]],
    ['connection.mtls=true', ['connection.mtls', true]],
    ['request.time=2026-01-02T03:04:05.5Z', ['request.time', 1_767_323_045_500_000_000n]],
    ['request.duration=1.5ms', ['request.duration', 1_500_000n]],
    ['mine=a=b', ['mine', 'a=b']],
    ['mine:int=-5', ['mine', -5n]],
    ['mine:double=1.5', ['mine', 1.5]],
    ['mine:bool=false', ['mine', false]],
    ['mine:bytes=00ff', ['mine', Buffer.from([0, 255])]],
    ['mine:duration=2h', ['mine', 7_200_000_000_000n]],
    ['source.port:string=http', ['source.port', 'http']],
    ['mine=', ['mine', '']],
  ] as const)
    assert.deepEqual(readProperty(text), property, text)
  for (const [text, problem] of [
    ['mine', /NAME=VALUE or NAME:TYPE=VALUE, not "mine"/],
    ['=x', /NAME=VALUE/],
    ['mine:number=5', /has the types string, bytes, .*, not "number"/],
    ['source.port=http', /source\.port is of the type int, not "http"/],
    ['request.time=now', /of the type time/],
    ['mine:toString=1', /has the types/],
  ] as const) {
    const read = readProperty(text)
    assert.ok('problem' in read, text)
    assert.match(read.problem, problem)
  }
})
