import type { ConnectionOptions } from "node:tls"
import pg from "pg"
import { type Log, sqlState } from "#kernel"
import { ResourceError, type Root } from "../../engine.ts"
import { makersOf } from "./makers.ts"
import type { PostgresPart } from "./part.ts"

/** A statement that is planned once for each connection, under a name that no other has: for one that costs more to plan than to run. */
export type Planned = { name: string; text: string }

/** One statement, or several in one message, which PostgreSQL runs as one transaction. Rows are those of the last. */
export interface Sql {
  run<Row extends object>(step: string, text: string | Planned, values?: unknown[]): Promise<Row[]>
}

/**
 * Our connections to one resource. Two pools, so that giving can never starve taking away: `give` issues and looks,
 * `take` revokes and reads back.
 */
export interface Connections extends AsyncDisposable {
  readonly part: PostgresPart
  readonly root: Root
  readonly give: Sql
  readonly take: Sql
  /** PostgreSQL's version as a number such as 150018, read once and again after the server went away. */
  version(): Promise<number>
  /** The roles that make leases in our place (makers.ts); none where `prepare` made none. Read as the version is. */
  makers(): Promise<readonly string[]>
  /** Runs statements in another database of the same server, as the same account. */
  elsewhere(database: string, step: string, text: string): Promise<void>
  /** Logs in once as the root, or with another password; throws what the server answered. */
  login(password?: Root["password"]): Promise<void>
  /** From now on new connections use this password. */
  usePassword(password: Root["password"]): void
}

const CONNECT_MS = 3_000
/** For each statement. Somebody waits for what is given; what is taken away may have much to clean. */
const STATEMENT_MS = { give: 5_000, take: 10_000 }
/** What is cancelled at the far end should have its answer by then; else the far end is gone. */
const ANSWER_MS = 1_000
const LOCK_MS = 2_000
const POOL_SIZE = 4

/**
 * Where names are looked up. Whoever may make an operator or a function in a schema of the path could have it run by us, with
 * our rights, and a lease may do so in every database where everybody may write to `public`.
 */
export const SEARCH_PATH = "pg_catalog, pg_temp"

/** Opens both pools; nothing connects before the first statement. */
export function connect(part: PostgresPart, given: Root, log: Log): Connections {
  let root = given
  const settings = (database: string, password: () => string, statementMs = STATEMENT_MS.take): pg.ClientConfig => ({
    host: part.host,
    port: part.port,
    database,
    user: root.username,
    password,
    ssl: tlsOptions(part),
    application_name: "safeconduct",
    options: `-c search_path=${SEARCH_PATH.replaceAll(" ", "")}`,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: statementMs,
    lock_timeout: LOCK_MS,
    idle_in_transaction_session_timeout: statementMs,
    query_timeout: statementMs + ANSWER_MS,
    keepAlive: true,
  })
  const current = () => root.password.reveal()
  const openPool = (statementMs: number) => {
    const pool = new pg.Pool({
      ...settings(part.database, current, statementMs),
      max: POOL_SIZE,
      // A connection stays warm for the next revocation, and is replaced before it grows old.
      idleTimeoutMillis: 0,
      maxLifetimeSeconds: 600,
    })
    pool.on("error", (error) => log.warn("connection to the resource lost", { error: scrub(error.message) }))
    return pool
  }
  const pools = { give: openPool(STATEMENT_MS.give), take: openPool(STATEMENT_MS.take) }
  let version: Promise<number> | undefined
  let makers: Promise<readonly string[]> | undefined

  const over = (pool: pg.Pool): Sql => ({
    async run<Row extends object>(step: string, text: string | Planned, values?: unknown[]) {
      try {
        const result: pg.QueryResult | pg.QueryResult[] = await pool.query(text, values)
        return (Array.isArray(result) ? result.at(-1)! : result).rows as Row[]
      } catch (error) {
        const failure = resourceError(step, error)
        if (failure.isUnreachable) version = makers = undefined
        throw failure
      }
    },
  })
  const once = async (database: string, step: string, text: string, password: () => string) => {
    const client = new pg.Client(settings(database, password))
    // Without a listener a connection that breaks later would be an uncaught exception.
    client.on("error", () => undefined)
    try {
      await client.connect()
      await client.query(text)
    } catch (error) {
      throw resourceError(step, error)
    } finally {
      await client.end().catch(() => undefined)
    }
  }
  const give = over(pools.give)
  return {
    part,
    get root() {
      return root
    },
    give,
    take: over(pools.take),
    version() {
      version ??= give
        .run<{ server_version_num: string }>("read the version", "show server_version_num")
        .then(([row]) => Number(row!.server_version_num))
      version.catch(() => {
        version = undefined
      })
      return version
    },
    makers() {
      makers ??= give
        .run<{ maker: string }>("look for makers", makersOf("current_user"))
        .then((rows) => rows.map((row) => row.maker))
      makers.catch(() => {
        makers = undefined
      })
      return makers
    },
    elsewhere: (database, step, text) => once(database, step, text, current),
    login: (password) => once(part.database, "log in", "select 1", password ? () => password.reveal() : current),
    usePassword(password) {
      root = { ...root, password }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([pools.give.end(), pools.take.end()])
    },
  }
}

/** How a connection to the resource is protected. */
export function tlsOptions(part: PostgresPart): ConnectionOptions | false {
  if (part.tls === "disable") return false
  return {
    // The driver upgrades a socket it opened itself; without the host an IP address would be compared with "localhost".
    host: part.host,
    rejectUnauthorized: part.tls === "verify-full",
    minVersion: "TLSv1.2",
    ...(part.ca === undefined ? {} : { ca: part.ca }),
  }
}

/** Turns a driver's error into one whose text is safe: the step, PostgreSQL's own sentence, and no verifier. */
export function resourceError(step: string, error: unknown): ResourceError {
  if (error instanceof ResourceError) return error
  const code = sqlState(error)
  const { message = "", detail = "" } = error as { message?: string; detail?: string }
  const said = [message, detail].filter((text) => text !== "").join(" ")
  // 08: connection; 28: login refused; 53300: no connection left; 57P: shut down or starting. No answer: the network.
  const isUnreachable = code === null || /^(08|28|57P|53300)/.test(code)
  return new ResourceError(`Could not ${step}: ${scrub(said)}`, code, isUnreachable)
}

function scrub(text: string): string {
  return text.replaceAll(/SCRAM-SHA-256\$[^'"\s]*/g, "[verifier]").slice(0, 500)
}
