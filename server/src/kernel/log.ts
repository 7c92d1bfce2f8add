import { pino } from "pino"

/** Structured logging. Fields are data for operators; secrets are Secret and print as "[secret]". */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
  /** A log whose every line carries the fields. */
  with(fields: Record<string, unknown>): Log
}

/** Names whose values never reach a line, at any of the first three levels. */
const HIDDEN = [
  "password",
  "secret",
  "token",
  "accessToken",
  "access_token",
  "authorization",
  "cookie",
  "privateKey",
  "url",
  "ownerUrl",
  "serverUrl",
  "superuserUrl",
]

/** The least level that is written, info unless told, and where to. */
export type LogOptions = { level?: string; destination?: { write(line: string): void } }

/** Logs JSON lines to standard error, so that standard output stays data. */
export function createLog(options: LogOptions = {}): Log {
  const logger = pino(
    {
      level: options.level ?? "info",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: HIDDEN.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: "[secret]",
      },
    },
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  )
  return wrap(logger)
}

/** A log that keeps nothing, for tests and libraries. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLog,
}

function wrap(logger: pino.Logger): Log {
  return {
    debug: (message, fields) => logger.debug(flat(fields), message),
    info: (message, fields) => logger.info(flat(fields), message),
    warn: (message, fields) => logger.warn(flat(fields), message),
    error: (message, fields) => logger.error(flat(fields), message),
    with: (fields) => wrap(logger.child(fields)),
  }
}

/** An Error under `error` becomes its name, message, stack and cause: pino would print an empty object. */
function flat(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? describe(value) : value]),
  )
}

function describe(error: Error): Record<string, unknown> {
  const cause = error.cause instanceof Error ? { cause: describe(error.cause) } : {}
  return { type: error.name, message: error.message, stack: error.stack, ...cause }
}
