import pg from "pg"
import { openDatabase } from "../database.ts"
import { providePassword } from "./cluster.ts"
import type { EmbeddedPostgres } from "./supervise.ts"

/** Owns the database and its schemas: migrations run as this role. */
export const OWNER_ROLE = "safeconduct_owner"
/** What `serve` connects as: no owner, no superuser, only what migrations grant it. */
export const SERVER_ROLE = "safeconduct_server"

const LOCK = 7_236_824

/** Makes our database and its two roles in an embedded PostgreSQL, or finds them. Passwords are kept in its folder. Idempotent. */
export async function prepareOwnDatabase(
  embedded: EmbeddedPostgres,
  name = "safeconduct",
): Promise<{ ownerUrl: string; serverUrl: string }> {
  await using superuser = openDatabase({ url: embedded.superuserUrl, maxConnections: 1 })
  await superuser.transaction(async (tx) => {
    // Two calls at once would change the same role at once, which PostgreSQL refuses.
    await tx.query("select pg_advisory_xact_lock($1)", [LOCK])
    for (const role of [OWNER_ROLE, SERVER_ROLE]) {
      const [found] = await tx.query("select 1 from pg_roles where rolname = $1", [role])
      // A crash between file and role leaves a password that the next call gives to the role.
      const password = pg.escapeLiteral(providePassword(embedded.folder, role))
      await tx.query(`${found === undefined ? "create" : "alter"} role ${role} login nosuperuser nocreaterole
        nocreatedb noreplication nobypassrls password ${password}`)
    }
  })
  const database = pg.escapeIdentifier(name)
  const [found] = await superuser.query("select 1 from pg_database where datname = $1", [name])
  if (found === undefined) await superuser.query(`create database ${database} owner ${OWNER_ROLE}`)
  await superuser.query(`revoke all on database ${database} from public`)
  await superuser.query(`grant connect on database ${database} to ${SERVER_ROLE}`)
  const urlOf = (role: string) => embedded.urlFor(role, providePassword(embedded.folder, role), name)
  return { ownerUrl: urlOf(OWNER_ROLE), serverUrl: urlOf(SERVER_ROLE) }
}
