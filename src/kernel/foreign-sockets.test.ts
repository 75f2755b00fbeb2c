import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { kernelSkip } from './ebpf/testing.ts'
import { ForeignSockets } from './foreign-sockets.ts'

const program = `
import socket, sys
sockets = [socket.socket(f, k) for f in (socket.AF_INET, socket.AF_INET6) for k in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
sockets.append(socket.socket(socket.AF_UNIX))
print("ready", flush=True)
sys.stdin.read()`

test('ForeignSockets.each() finds the sockets of IP of another process', { skip: kernelSkip() }, async () => {
  const child = spawn('python3', ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(createInterface({ input: child.stdout }), 'line')
  const ended = once(child, 'exit')
  const before = readdirSync('/proc/self/fd').length
  using foreign = new ForeignSockets()
  const found = new Set<number>()
  assert.equal(
    foreign.each(child.pid ?? 0, fd => found.add(fd)),
    4,
  )
  assert.equal(readdirSync('/proc/self/fd').length, before)
  assert.throws(() =>
    foreign.each(child.pid ?? 0, () => {
      throw new Error('no')
    }),
  )
  assert.equal(readdirSync('/proc/self/fd').length, before, 'nothing is left open')
  child.stdin.end()
  await ended
  assert.equal(
    foreign.each(child.pid ?? 0, () => {}),
    0,
  )
})
