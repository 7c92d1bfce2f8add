import pg from "pg"
import type { Log } from "./log.ts"
import { Refusal } from "./refusal.ts"

/** Runs one statement and returns its rows. Values are always parameters, never text in the statement. */
export interface Queryable {
  query<Row extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>
}

/** Statements that take effect together or not at all. */
export type Transaction = Queryable

/**
 * Our own PostgreSQL. `query` is its own transaction; `transaction` commits when the work resolves and rolls back when
 * it throws. Failures to reach it are `store-unavailable`; an error of the statement itself passes through as the driver's.
 */
export interface Database extends Queryable, AsyncDisposable {
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /** Calls back on each NOTIFY of the channel, and once after every reconnect (notices may have been missed). A hint only. */
  listen(channel: string, onNotice: (payload: string) => void): Promise<AsyncDisposable>
}

/** How to reach a database, and how much to ask of it. */
export type DatabaseOptions = {
  url: string
  /** Connections held at the most. */
  maxConnections?: number
  /** Milliseconds until a statement is cancelled by the server. */
  statementTimeoutMs?: number
  applicationName?: string
  log?: Log
}

/** Opens a pool of connections; nothing connects before the first query. */
export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: verifiedUrl(options.url),
    max: options.maxConnections ?? 10,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    statement_timeout: options.statementTimeoutMs ?? 15_000,
    application_name: options.applicationName ?? "safeconduct",
    types: { getTypeParser },
  })
  // A connection that breaks while idle is dropped by the pool; the next query opens another.
  pool.on("error", (error) => options.log?.warn("database connection lost", { error: error.message }))

  const query = async <Row extends object>(text: string, values?: unknown[]): Promise<Row[]> =>
    (await reach(() => pool.query<Row & pg.QueryResultRow>(text, values))).rows

  return {
    query,
    async transaction(work) {
      const client = await reach(() => pool.connect())
      // Without a listener a backend that is terminated here would be an uncaught exception.
      const onError = (error: Error) => options.log?.warn("database connection lost", { error: error.message })
      client.on("error", onError)
      let broken: Error | undefined
      try {
        await reach(() => client.query("begin"))
        const result = await work({
          query: async (text, values) => (await reach(() => client.query(text, values))).rows,
        })
        const end = await reach(() => client.query("commit"))
        // PostgreSQL answers COMMIT with ROLLBACK, and no error, when a statement failed and the work went on.
        if (end.command !== "COMMIT") throw new Error("rolled back: a statement failed and the work hid it")
        return result
      } catch (error) {
        broken = await client.query("rollback").then(
          () => undefined,
          (rollbackError: Error) => rollbackError,
        )
        throw error
      } finally {
        client.off("error", onError)
        client.release(broken)
      }
    },
    listen: (channel, onNotice) => listen(options, channel, onNotice),
    async [Symbol.asyncDispose]() {
      await pool.end()
    },
  }
}

/**
 * The URL with `sslmode=verify-full` unless it says otherwise itself: the driver's own default is plain text. What cannot
 * leave the machine (loopback, a socket in the file system) stays as it is.
 */
export function verifiedUrl(url: string): string {
  if (!URL.canParse(url)) return url
  const parsed = new URL(url)
  const { hostname, searchParams } = parsed
  const host = hostname || searchParams.get("host") || ""
  const isLocal = host === "" || host.startsWith("/") || /^(localhost|\[?::1\]?|127\.\d+\.\d+\.\d+)$/.test(host)
  if (isLocal || searchParams.has("sslmode") || searchParams.has("ssl")) return url
  searchParams.set("sslmode", "verify-full")
  return parsed.href
}

/** Wraps connection failures as `store-unavailable`; errors that PostgreSQL itself reports keep their SQLSTATE. */
async function reach<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (isUnreachable(error)) {
      throw new Refusal("store-unavailable", "The database cannot be reached; nothing was decided. Try again.", {
        cause: error,
      })
    }
    throw error
  }
}

/** SQLSTATE of an error that PostgreSQL reported, else null. */
export function sqlState(error: unknown): string | null {
  // Not by the look of the code: EPIPE has five letters too.
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null
}

function isUnreachable(error: unknown): boolean {
  const state = sqlState(error)
  // 08: connection; 53: out of connections, memory or disk; 57P01–57P03: shut down, crashed, starting; 58: system error.
  if (state !== null) return /^(08|53|57P|58)/.test(state) && state !== "57P04"
  const { code, message } = error as { code?: string; message?: string }
  return (
    (typeof code === "string" && /^E(?!RR_)|^ERR_(SSL|TLS|STREAM|SOCKET)/.test(code)) ||
    /timeout exceeded when trying to connect|Connection terminated|not queryable|Client was closed/i.test(message ?? "")
  )
}

function getTypeParser(oid: number, format?: "text" | "binary"): (value: string) => unknown {
  if (oid === pg.types.builtins.INT8) return toSafeInteger
  return pg.types.getTypeParser(oid, format as "text")
}

function toSafeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} is outside the safe integers`)
  return value
}

async function listen(
  options: DatabaseOptions,
  channel: string,
  onNotice: (payload: string) => void,
): Promise<AsyncDisposable> {
  let client: pg.Client | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false

  const connect = async () => {
    const next = new pg.Client({
      connectionString: verifiedUrl(options.url),
      application_name: `${options.applicationName ?? "safeconduct"} listen`,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    })
    next.on("error", () => undefined)
    next.on("end", () => again())
    next.on("notification", (message) => onNotice(message.payload ?? ""))
    try {
      await next.connect()
      await next.query(`listen ${pg.escapeIdentifier(channel)}`)
      if (closed) return await next.end()
      client = next
      onNotice("")
    } catch {
      await next.end().catch(() => undefined)
    }
  }
  const again = () => {
    client = undefined
    if (closed || retry !== undefined) return
    retry = setTimeout(() => {
      retry = undefined
      if (!closed) void connect()
    }, 500)
  }
  await connect()
  return {
    async [Symbol.asyncDispose]() {
      closed = true
      clearTimeout(retry)
      await client?.end().catch(() => undefined)
    },
  }
}
