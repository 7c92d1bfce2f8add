import pg from "pg"
import { sqlState } from "#kernel"
import { type LookUp, type Made, MOST_FOUND, type Question, ResourceError } from "../../engine.ts"
import { SEARCH_PATH, tlsOptions } from "./connect.ts"
import type { PostgresPart } from "./part.ts"

/** Bytes of one value. */
const LONGEST = 1_000

/** By the OID of a column's type in pg_type; a type that is not here cannot be compared with an argument for certain. */
const readers: { readonly [oid: number]: (text: string) => LookUp | null } = {
  16: (text) => text === "t",
  20: exactly,
  21: exactly,
  23: exactly,
  25: (text) => text,
  1043: (text) => text,
  1700: exactly,
  2950: (text) => text,
}

/**
 * Logs in as the account, in a read-only transaction of one statement, and ends the connection. An account of an agent's may
 * have made functions and operators, so names are looked up where it can make none: the query names its schemas. Throws a
 * ResourceError whose text is the SQLSTATE alone: PostgreSQL's own sentences may hold what is in a row.
 */
export async function lookUp(part: PostgresPart, credential: Made["credential"], asked: Question): Promise<LookUp[]> {
  const { user, password } = credential.reveal()
  const milliseconds = Math.max(1, Math.ceil(asked.withinMs))
  const client = new pg.Client({
    ...{ host: part.host, port: part.port, database: part.database, user: `${user}`, password: `${password}` },
    ssl: tlsOptions(part),
    application_name: "safeconduct look-up",
    options: `-c search_path=${SEARCH_PATH.replaceAll(" ", "")} -c default_transaction_read_only=on`,
    connectionTimeoutMillis: milliseconds,
    statement_timeout: milliseconds,
    lock_timeout: milliseconds,
    query_timeout: milliseconds,
    // As PostgreSQL writes it: what a text is read as depends on the column's type alone.
    types: { getTypeParser: () => (text: unknown) => text },
  })
  // Without a listener a connection that breaks later would be an uncaught exception.
  client.on("error", () => undefined)
  try {
    await client.connect()
    // `extended`: one statement and no more, also where nothing is bound.
    const query = { text: bounded(asked.query), values: [...asked.values], queryMode: "extended", rowMode: "array" }
    const { fields, rows } = await client.query<(string | null)[]>(query as pg.QueryArrayConfig)
    if (rows.length > MOST_FOUND) throw odd(`more than ${MOST_FOUND} values`)
    const read = readers[fields[0]!.dataTypeID]
    if (read === undefined) throw odd("a type that arguments are not compared with")
    return rows.map(([text]) => {
      const value = text == null ? null : read(text)
      if (value === null) throw odd("no value, one that is too long, or no exact number")
      return value
    })
  } catch (error) {
    if (error instanceof ResourceError) throw error
    const code = sqlState(error)
    throw new ResourceError(`Could not look up: ${code ?? "no answer"}`, code, code === null)
  } finally {
    void client.end().catch(() => undefined)
  }
}

/** An array of a query is refused unless that has one column. Nothing beyond what is looked at leaves the server. */
function bounded(query: string): string {
  const values = `array(select * from (${query}\n) as looked_up limit ${MOST_FOUND + 1})`
  return `select case when pg_catalog.octet_length(value::text) <= ${LONGEST} then value end
    from pg_catalog.unnest(${values}) as found (value) limit ${MOST_FOUND + 1}`
}

/** A number that JSON writes without a loss; null for any other. */
function exactly(text: string): number | null {
  const digits = text.replace(/^-/, "").replace(".", "").replace(/^0+/, "")
  return digits.length <= 15 && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : null
}

function odd(what: string): ResourceError {
  return new ResourceError(`Could not look up: ${what}`, "odd", false)
}
