/**
 * A process that supervises one program and can be killed: what the guard's
 * tests run. Prints the pids of the guard, the program and the program's child.
 * Arguments: a directory in which the program leaves a file when it gets
 * SIGTERM, and `kill-guard` to end the first guard before printing.
 */
import { silentLogger, systemClock } from '../../core/index.ts'
import { Supervisor } from './supervisor.ts'

const [directory = '', mode] = process.argv.slice(2)
const script = `trap 'touch "${directory}/terminated"; exit' TERM; sleep 100 & echo $!; exec 2>/dev/null; while :; do sleep 0.02; done`
const supervisor = new Supervisor({
  clock: systemClock,
  logger: silentLogger,
  env: process.env,
  onChange: () => {},
  onRestart: () => {},
  onOutput: (_workload, _stream, line) => {
    const state = supervisor.states().get('shop/a')
    const guard = supervisor.guardPid ?? 0
    const pids = [state?.kind === 'running' ? state.pid : 0, Number(line)]
    if (mode !== 'kill-guard') process.stdout.write(`${[guard, ...pids].join(' ')}\n`)
    else {
      process.kill(guard, 'SIGKILL')
      const timer = setInterval(() => {
        if (supervisor.guardPid === undefined || supervisor.guardPid === guard) return
        clearInterval(timer)
        process.stdout.write(`${[supervisor.guardPid, ...pids].join(' ')}\n`)
      }, 5)
    }
  },
})
supervisor.update({
  workloads: [
    {
      key: 'shop/a',
      namespace: 'shop',
      name: 'a',
      labels: {},
      service: 'a',
      address: '127.0.0.1',
      port: 9001,
      process: { command: ['/bin/sh', '-c', script], env: {}, workingDirectory: '/', restartBackoffMs: 100 },
      healthCheck: undefined,
    },
  ],
  serviceAddresses: [],
  problems: [],
})
