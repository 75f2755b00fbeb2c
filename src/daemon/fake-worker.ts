/**
 * Stands in for `worker.ts` in the tests of the pool: it speaks the same
 * messages, carries no traffic, and ends when a listener of a telling name comes.
 */
import { parentPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { applyDelta } from '../model/index.ts'
import type { FromWorker, ToWorker, WorkerStart } from './worker-messages.ts'

const port = parentPort
if (port === null) throw new Error('runs as a worker thread only')
port.once('message', (start: WorkerStart) => runFake(port, start))

function runFake(port: MessagePort, start: WorkerStart): void {
  let snapshot = start.snapshot
  let isTapped = start.options.isTapped
  let { ticketKeys } = start

  function send(message: FromWorker): void {
    port.postMessage(message)
  }

  function applied(): void {
    if (snapshot.listeners.has('throws')) throw new Error('a defect')
    if (snapshot.listeners.has('exits')) process.exit(3)
    if (snapshot.listeners.has('asks')) {
      const ends = { remoteAddress: '127.0.0.1', remotePort: 50_000, localAddress: '127.0.0.1', localPort: 80 }
      send({ kind: 'callers-asked', questions: [{ id: 7, ...ends }] })
    }
    const failures = new Map(snapshot.listeners.has('busy') ? [['busy', 'the address is in use']] : [])
    send({ kind: 'applied', version: snapshot.version, failures })
  }

  port.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'delta':
        snapshot = applyDelta(snapshot, message.delta)
        applied()
        break
      case 'collect': {
        const active = [{ backend: 'a', endpoint: 'b', activeRequests: 1, ejected: false }]
        const endpoints = message.wantsEndpoints ? active : undefined
        const names = [...snapshot.listeners.keys()]
        const metrics = names.includes('idle') ? undefined : { listeners: names }
        if (!snapshot.listeners.has('silent')) {
          send({ kind: 'collected', metrics, endpoints })
        }
        break
      }
      case 'tap':
        isTapped = message.isOn
        send({ kind: 'lines', lines: [`tapped ${isTapped}`] })
        break
      case 'ticket-keys':
        ticketKeys = message.keys
        send({ kind: 'lines', lines: [`ticket key ${ticketKeys[0]}`] })
        break
      case 'connection':
        break
      case 'reopen-logs':
        send({ kind: 'log', level: 'info', message: 'reopened', fields: { zone: start.options.zone } })
        break
      case 'callers-answered':
        send({ kind: 'lines', lines: message.answers.map(({ id, caller }) => `caller ${id} ${caller?.service}`) })
        break
      case 'drain':
        if (!snapshot.listeners.has('silent')) send({ kind: 'drained', finished: 2, cut: 1 })
        break
    }
  })
  if (isTapped) send({ kind: 'lines', lines: ['tapped from the start', `started with ticket key ${ticketKeys[0]}`] })
  applied()
}
