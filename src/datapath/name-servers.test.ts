import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressBytes, endpointOf, swapPort } from './address.ts'
import { NameServerTable } from './name-servers.ts'
import type { NamePlaces } from './name-servers.ts'

const open = { address: '127.0.0.1', port: 15_053 }
const v4 = { address: '127.0.0.1', port: 1000 }
const v6 = { address: '::1', port: 1000 }

/** Slots of the map that are written, with what they hold. */
const steps: readonly (readonly [places: NamePlaces, written: readonly string[]])[] = [
  [{ open, led: [v6, v4] }, ['0 1000', '1 1000', '2 15053']],
  [{ open, led: [v4, v6] }, []],
  [{ open, led: [v4] }, ['1 0']],
  [{ open: undefined, led: [] }, ['0 0', '2 0']],
]

test('NameServerTable writes what changed, each to the slot of its family', () => {
  const table = new NameServerTable()
  const given = endpointOf(addressBytes('::1') ?? new Uint8Array(), 1000, 17)
  for (const [places, expected] of steps) {
    const written = table.update(places).map(write => {
      assert.ok(write.kind === 'set' && write.map === 'hd_names')
      return `${write.key} ${swapPort(write.value.portBe)}`
    })
    assert.deepEqual(written, expected)
    assert.equal(table.leads(given), places.led.includes(v6))
  }
})
