import pg from "pg"
import { type Log, Refusal, verifiedUrl } from "#kernel"
import { type Finding, ResourceError, type Root } from "../../engine.ts"
import { createRole, findings, LARGE_OBJECTS } from "./check.ts"
import { type Planned, resourceError, SEARCH_PATH, type Sql } from "./connect.ts"
import { makersStatement } from "./makers.ts"
import { SCHEMA } from "./mapping/functions.ts"
import { mappingStatements } from "./mapping/statements.ts"
import { name } from "./quote.ts"
import { newPassword, scramVerifier, type Verifier } from "./scram.ts"

/** What a database is to be prepared for. */
export type PrepareSpec = {
  database: string
  /** Name of the account that Safeconduct will hold. */
  account: string
  /** What the account's first password is checked with; absent: an operator sets one. */
  verifier?: Verifier
  groups: readonly PrepareGroup[]
  /** Also take temporary tables from everybody, for a database that nobody else works in. */
  revokesTemporary?: boolean
}

/** A group role and what its members may read. */
export type PrepareGroup = {
  role: string
  /** An operation of it binds its user: row-level rules hold each lease to its user's rows. */
  bindsUser?: boolean
  /** An operation of it requires an approval: functions and triggers of the resource hold each lease to what was approved. */
  requiresApproval?: boolean
  schemas: readonly string[]
  /** Tables as [schema, table]; absent: every table of the schemas that exists now. */
  tables?: readonly (readonly [schema: string, table: string])[]
}

/** The statements that prepare a database, in order; each may be run again. They are the DBA's to read and to run. */
export function prepareStatements(spec: PrepareSpec): string[] {
  if (spec.groups.some(({ schemas }) => schemas.includes(SCHEMA))) {
    throw new Refusal("invalid-request", `The schema ${SCHEMA} says whose each lease is; no group may read it.`)
  }
  const account = name(spec.account)
  const password = spec.verifier === undefined ? "" : ` password '${spec.verifier}'`
  return [
    `set search_path to ${SEARCH_PATH}`,
    createRole(spec.account, `login createrole nosuperuser nocreatedb noreplication nobypassrls${password}`),
    `grant pg_signal_backend, pg_read_all_stats to ${account}`,
    ...spec.groups.flatMap((group) => groupStatements(spec, group)),
    makersStatement(
      spec.account,
      spec.groups.map(({ role }) => role),
    ),
    "revoke create on schema public from public",
    LARGE_OBJECTS,
    ...mappingStatements(spec.account),
    ...(spec.revokesTemporary ? [`revoke temporary on database ${name(spec.database)} from public`] : []),
    "reset search_path",
  ]
}

function groupStatements(spec: PrepareSpec, { role, schemas, tables }: PrepareGroup): string[] {
  const group = name(role)
  return [
    createRole(role, "nologin"),
    `grant ${group} to ${name(spec.account)} with admin option`,
    `grant connect on database ${name(spec.database)} to ${group}`,
    ...schemas.map((schema) => `grant usage on schema ${name(schema)} to ${group}`),
    ...(tables === undefined
      ? schemas.map((schema) => `grant select on all tables in schema ${name(schema)} to ${group}`)
      : tables.map(([schema, table]) => `grant select on ${name(schema)}.${name(table)} to ${group}`)),
  ]
}

/**
 * Prepares a database over the DBA's own connection, in one transaction. Returns the new account with a first password,
 * which `configure` replaces at once, or null when the account was there: its password stays as it is.
 */
export async function applyPrepare(dbaUrl: string, spec: PrepareSpec, log: Log): Promise<Root | null> {
  const password = newPassword()
  const verifier = await scramVerifier(password, { iterations: 4096 })
  return await asDba(dbaUrl, async (sql) => {
    const existing = await sql.run("look for the account", "select from pg_catalog.pg_roles where rolname = $1", [
      spec.account,
    ])
    await sql.run("begin", "begin")
    for (const statement of prepareStatements({ ...spec, verifier })) {
      await sql.run("prepare the database", statement)
    }
    await sql.run("commit", "commit")
    log.info("database prepared", { account: spec.account, groups: spec.groups.map(({ role }) => role) })
    return existing.length > 0 ? null : { username: spec.account, password }
  })
}

/** What the DBA would still have to change; empty when all is as `prepare` makes it. */
export async function checkPrepared(dbaUrl: string, spec: PrepareSpec): Promise<Finding[]> {
  const groups = spec.groups.map(({ role }) => role)
  const userGroups = spec.groups.filter(({ bindsUser }) => bindsUser).map(({ role }) => role)
  const approvalGroups = spec.groups.filter(({ requiresApproval }) => requiresApproval).map(({ role }) => role)
  return await asDba(dbaUrl, (sql) => findings(sql, { account: spec.account, groups, userGroups, approvalGroups }))
}

async function asDba<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: verifiedUrl(url),
    connectionTimeoutMillis: 5_000,
    statement_timeout: 30_000,
  })
  client.on("error", () => undefined)
  try {
    await client.connect()
    await client.query(`set search_path to ${SEARCH_PATH}`)
    return await work({
      async run<Row extends object>(step: string, text: string | Planned, values?: unknown[]) {
        try {
          return (await client.query<Row & pg.QueryResultRow>(text, values)).rows
        } catch (error) {
          throw resourceError(step, error)
        }
      },
    })
  } catch (error) {
    throw error instanceof ResourceError ? error : resourceError("connect as the DBA", error)
  } finally {
    await client.end().catch(() => undefined)
  }
}
