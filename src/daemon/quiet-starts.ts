import type { LogFields, Logger } from '../core/index.ts'

/** A logger for health checks. A program that starts is unhealthy for a moment, each time: what the supervisor says of it is enough. */
export function withoutStarts(logger: Logger): Logger {
  const quiet =
    (level: 'info' | 'warn') =>
    (message: string, fields?: LogFields): void => {
      const isOwn = String(fields?.['backend'] ?? '').startsWith('Workload ')
      logger[isOwn ? 'debug' : level](message, fields)
    }
  return {
    debug: (message, fields) => logger.debug(message, fields),
    info: quiet('info'),
    warn: quiet('warn'),
    error: (message, fields) => logger.error(message, fields),
  }
}
