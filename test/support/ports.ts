import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below the ports that the kernel gives to outgoing connections (from 32768 on):
 * one of those can be taken by any client of any test before its server opens it.
 */
const [lowest, highest] = [18_000, 31_999]
const range = highest - lowest + 1

// Tests run in processes of their own, side by side: each starts somewhere else.
let next = Math.floor(Math.random() * range)

/** A port of 127.0.0.1 that nobody has, neither for TCP nor for UDP; never one twice in a process. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < range; tries++) {
    const port = lowest + next
    next = (next + 1) % range
    if (await isFree(port)) return port
  }
  throw new Error(`no free port among ${lowest} to ${highest}`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const socket = createSocket('udp4')
  try {
    // Every address: a server of a test may want all of them.
    await once(server.listen(port), 'listening')
    await once(socket.bind(port), 'listening')
    return true
  } catch {
    return false
  } finally {
    if (server.listening) await new Promise(resolve => server.close(resolve))
    await new Promise<void>(resolve => socket.close(() => resolve()))
  }
}
