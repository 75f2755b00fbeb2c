import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plain } from './paint.ts'
import { renderPlugins } from './plugin-list.ts'

test('renderPlugins shows each plugin on each worker, and why one does not run', () => {
  const failures = { trap: 2, cpu: 1, exit: 1, start: 4 }
  const running = { key: 'WasmPlugin shop/auth', name: 'shop.auth', module: 'a', detail: undefined, problem: undefined }
  const text = renderPlugins(
    [
      { ...running, worker: 1, status: 'running', instances: 1, memoryBytes: 1572864, streams: 3, failures },
      {
        key: 'WasmPlugin shop/none',
        name: 'shop.none',
        worker: 1,
        status: 'failed',
        instances: 0,
        memoryBytes: 0,
        streams: 0,
        failures: { trap: 0, cpu: 0, exit: 0, start: 0 },
        detail: undefined,
        module: undefined,
        problem: 'there is no module',
      },
    ],
    { paint: plain, width: undefined },
  )
  const lines = text.split('\n').map(line => line.replaceAll(/ {2,}/g, ' | ').trim())
  assert.deepEqual(lines, [
    'PLUGIN | WORKER | STATUS | INSTANCES | MEMORY | STREAMS | TRAPS | OVER TIME | NOT STARTED',
    'WasmPlugin shop/auth | 1 | running | 1 | 1.5 MiB | 3 | 3 | 1 | 4',
    'WasmPlugin shop/none | 1 | failed | 0 | 0.0 MiB | 0 | 0 | 0 | 0',
    'WasmPlugin shop/none: there is no module',
  ])
})
