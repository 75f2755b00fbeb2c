import { messageOf } from '../core/index.ts'
import type { Clock, Logger, Timer } from '../core/index.ts'
import { sendDatagram } from '../kernel/index.ts'

/** What systemd tells its services by; programs that the agent starts are none of them. */
const variables = ['NOTIFY_SOCKET', 'WATCHDOG_PID', 'WATCHDOG_USEC'] as const

type Environment = Readonly<Record<string, string | undefined>>

export interface ServiceManagerOptions {
  readonly env: Environment
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Tells the manager that has started the agent how it is (sd_notify(3), `Type=notify`), and that it lives, where it wants
 * to know (sd_watchdog_enabled(3)): by the event loop, so that an agent that hangs is ended. Without one nothing is told.
 */
export class ServiceManager implements Disposable {
  readonly #path: string | undefined
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #watchdogMs: number
  #watchdog: Timer | undefined

  constructor({ env, clock, logger }: ServiceManagerOptions) {
    this.#path = env['NOTIFY_SOCKET'] || undefined
    this.#logger = logger
    this.#clock = clock
    this.#watchdogMs = this.#path === undefined ? 0 : watchdogMs(env)
  }

  /** @param status  one line, for `systemctl status` */
  ready(status: string): void {
    this.#tell(`READY=1\nSTATUS=${status}`)
    // From here on it watches; told twice as often as it has to be.
    if (this.#watchdogMs === 0 || this.#watchdog !== undefined) return
    this.#watchdog = this.#clock.every(this.#watchdogMs / 2, () => this.#tell('WATCHDOG=1')).unref()
  }

  stopping(): void {
    this.#tell('STOPPING=1\nSTATUS=requests under way are finished')
  }

  #tell(text: string): void {
    if (this.#path === undefined) return
    try {
      sendDatagram(this.#path, text)
    } catch (error) {
      this.#logger.warn('the service manager could not be told', { text, error: messageOf(error) })
    }
  }

  [Symbol.dispose](): void {
    this.#watchdog?.[Symbol.dispose]()
  }
}

/** Zero where nobody watches, or watches another process. */
function watchdogMs(env: Environment): number {
  const { WATCHDOG_PID: pid, WATCHDOG_USEC: microseconds } = env
  if (pid !== undefined && pid !== String(process.pid)) return 0
  const ms = Math.floor(Number(microseconds ?? 0) / 1000)
  return Number.isFinite(ms) && ms >= 2 ? ms : 0
}

/** For programs that the agent starts. */
export function withoutServiceManager(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !(variables as readonly string[]).includes(name)))
}
