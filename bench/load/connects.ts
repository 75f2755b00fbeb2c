/** Connections and bytes of TCP from a small program in Python, which costs little beside what the kernel does. */
import { output } from '../processes.ts'

/** What listens: takes connections and throws away what they bring. */
export const sinkProgram: string = `
import socket, sys, threading
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
def drain(s):
  buffer = bytearray(1 << 18)
  try:
    while s.recv_into(buffer): pass
  except OSError: pass
  s.close()
while True:
  s, _ = server.accept()
  threading.Thread(target=drain, args=(s,), daemon=True).start()
`

/** Sockets that connect and are closed, by a reset, which leaves nothing in TIME_WAIT. */
const connects = (host: string, port: number, seconds: number): string => `
import socket, struct, time
linger = struct.pack("ii", 1, 0)
address = ("${host}", ${port})
spent = count = 0
end = time.monotonic() + ${seconds}
while time.monotonic() < end:
  before = time.thread_time_ns()
  for _ in range(100):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    s.connect(address)
    s.close()
  spent += time.thread_time_ns() - before
  count += 100
print(spent / count / 1000)
`

const streams = (host: string, port: number, seconds: number): string => `
import socket, time
s = socket.create_connection(("${host}", ${port}), 5)
piece = bytes(1 << 18)
sent = 0
begin = time.monotonic()
while time.monotonic() < begin + ${seconds}:
  s.sendall(piece)
  sent += len(piece)
print(sent / (time.monotonic() - begin) / 1e6)
`

export interface Target {
  readonly host: string
  readonly port: number
  /** Makes a command run where the target is to be reached from. */
  readonly within: (command: readonly string[]) => readonly string[]
}

/** CPU time of a connection in the thread that makes it, in microseconds: socket(), connect() and close(). */
export async function connectUs(target: Target, seconds: number): Promise<number> {
  return Number(await output(target.within(['python3', '-c', connects(target.host, target.port, seconds)])))
}

/** One connection, as much as it takes: MB in a second. */
export async function streamMb(target: Target, seconds: number): Promise<number> {
  return Number(await output(target.within(['python3', '-c', streams(target.host, target.port, seconds)])))
}
