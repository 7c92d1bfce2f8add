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

/** A database reached over a pool. */
export type PooledDatabase = Database & {
  /** Connections that are open, those of them that nobody uses, and callers that wait for one. */
  connections(): { open: number; idle: number; waiting: number }
}

/** How to reach a database, and how much to ask of it. */
export type DatabaseOptions = {
  url: string
  /** Connections held at the most. */
  maxConnections?: number
  /** Milliseconds until a statement is cancelled by the server; five seconds unless told. */
  statementTimeoutMs?: number
  applicationName?: string
  log?: Log
}

/** Until a connection stands, or one of the pool is free. */
const CONNECT_MS = 3_000
const STATEMENT_MS = 5_000
/** What is cancelled at the far end should have its answer by then; else the far end is gone. COMMIT counts as a statement. */
const ANSWER_MS = 1_000
/** A server of ours that stands still in the middle of a transaction holds locks that the others wait for. */
const IDLE_IN_TRANSACTION_MS = 10_000
/** Callers that wait for a connection. */
const MAX_WAITING = 1_024

/** Opens a pool of connections; nothing connects before the first query. Every call has an end, whatever the network does. */
export function openDatabase(options: DatabaseOptions): PooledDatabase {
  const statementMs = options.statementTimeoutMs ?? STATEMENT_MS
  const pool = new pg.Pool({
    connectionString: verifiedUrl(options.url),
    max: options.maxConnections ?? 10,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    statement_timeout: statementMs,
    query_timeout: statementMs + ANSWER_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    application_name: options.applicationName ?? "safeconduct",
    types: { getTypeParser },
  })
  // A connection that breaks while idle is dropped by the pool; the next query opens another.
  // While the pool closes, PostgreSQL may end a connection before it has read that we do.
  let isClosing = false
  pool.on("error", (error) => {
    if (!isClosing) options.log?.warn("database connection lost", { error: error.message })
  })

  const refuseCrowd = () => {
    if (pool.waitingCount < MAX_WAITING) return
    throw new Refusal("overloaded", "Too many requests are waiting for the database. Try again.")
  }
  const query = async <Row extends object>(text: string, values?: unknown[]): Promise<Row[]> => {
    refuseCrowd()
    return (await reach(() => pool.query<Row & pg.QueryResultRow>(text, values))).rows
  }

  return {
    query,
    async transaction(work) {
      refuseCrowd()
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
        // A connection that did not answer is closed, which rolls back; asking it to would wait as long once more.
        const isLost = error instanceof Refusal && error.code === "store-unavailable"
        broken = isLost ? error : await rollBack(client)
        throw error
      } finally {
        client.off("error", onError)
        client.release(broken)
      }
    },
    listen: (channel, onNotice) => listen(options, channel, onNotice),
    connections: () => ({ open: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    async [Symbol.asyncDispose]() {
      isClosing = true
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

/** What went wrong with the rollback, if anything did: then the connection is of no more use. */
async function rollBack(client: pg.PoolClient): Promise<Error | undefined> {
  return await client.query("rollback").then(
    () => undefined,
    (error: Error) => error,
  )
}

/** Wraps failures to reach it, or to be served in time, as `store-unavailable`; errors of the statement keep their SQLSTATE. */
async function reach<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (isUnreachable(error)) throw new Refusal("store-unavailable", sentenceOf(error), { cause: error })
    throw error
  }
}

/** What is wrong with the database and who mends it, by SQLSTATE. */
const SENTENCES: { [state: string]: string } = {
  "53100": "The database has no room left on its disk, so nothing is given. Make room; service then resumes by itself.",
  "25006": "The database takes no writes, as a standby does, so nothing is given. Point the server at the primary.",
  "57014": "The database does not answer in time; nothing was given. Try again.",
  "57P03": "The database is starting or shutting down; nothing was given. Try again.",
}

function sentenceOf(error: unknown): string {
  const isLate = /Query read timeout/.test((error as Error).message ?? "")
  const state = isLate ? "57014" : (sqlState(error) ?? "")
  return SENTENCES[state] ?? "The database cannot be reached; nothing was given. Try again."
}

/** SQLSTATE of an error that PostgreSQL reported, else null. */
export function sqlState(error: unknown): string | null {
  // Not by the look of the code: EPIPE has five letters too.
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null
}

function isUnreachable(error: unknown): boolean {
  const state = sqlState(error)
  // 08: connection; 53: out of connections, memory or disk; 57P01–57P03: shut down, crashed, starting; 57014: too slow;
  // 58: system error; 25006: a standby; 25P03: we stood still; 55P03: a lock that is not given back.
  if (state !== null) return /^(08|53|57P|57014|58|25006|25P03|55P03)/.test(state) && state !== "57P04"
  const { code, message } = error as { code?: string; message?: string }
  return (
    (typeof code === "string" && /^E(?!RR_)|^ERR_(SSL|TLS|STREAM|SOCKET)/.test(code)) ||
    /timeout exceeded when trying to connect|Query read timeout|Connection terminated|not queryable|Client was closed/i.test(
      message ?? "",
    )
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
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: STATEMENT_MS,
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
