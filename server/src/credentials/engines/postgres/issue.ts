import { Secret } from "#kernel"
import type { Credential, Made, Order } from "../../engine.ts"
import type { Connections } from "./connect.ts"
import { asMaker } from "./makers.ts"
import type { PostgresPart } from "./part.ts"
import { literal, name } from "./quote.ts"
import { newPassword, scramVerifier } from "./scram.ts"

/** From here on a membership can be given without SET ROLE, and a role's maker is not a member of it by itself. */
export const VERSION_WITH_SET_FALSE = 160_000

/**
 * Makes a login role that inherits the operation's group role and nothing else. All statements go in one message, which
 * PostgreSQL runs as one transaction: a crash on either side leaves the whole role or none.
 */
export async function issue(connections: Connections, order: Order): Promise<Made> {
  const part = order.part as PostgresPart
  const password = newPassword()
  const [version, makers, verifier] = await Promise.all([
    connections.version(),
    connections.makers(),
    scramVerifier(password, { iterations: part.limits.scramIterations }),
  ])
  const [made] = await connections.give.run<{ oid: string }>(
    "make the role",
    statements(part.operations[order.operation]!.groupRole, order, {
      verifier,
      connectionLimit: part.limits.connectionsPerLease,
      hasSetFalse: version >= VERSION_WITH_SET_FALSE,
      maker: makers[Math.floor(Math.random() * makers.length)],
    }).join(";\n"),
  )
  const credential: Credential = {
    engine: "postgres",
    host: part.host,
    port: part.port,
    database: part.database,
    user: order.name,
    password: password.reveal(),
    tls: part.tls,
    ...(part.ca === undefined ? {} : { ca: part.ca }),
  }
  return { oid: made!.oid, credential: new Secret(credential) }
}

/** The statements that make a role; the last returns its OID. Granting is by membership only: no object's ACL grows. */
export function statements(
  groupRole: string,
  order: Order,
  how: { verifier: string; connectionLimit: number; hasSetFalse: boolean; maker?: string | undefined },
): string[] {
  const role = name(order.name)
  const group = name(groupRole)
  const create =
    `create role ${role} login password ${literal(how.verifier)} ` +
    `valid until ${literal(order.expiresAt.toISOString())} connection limit ${how.connectionLimit}`
  const comment = `comment on role ${role} is ${literal(order.comment)}`
  const oid = `select oid::text from pg_catalog.pg_roles where rolname = ${literal(order.name)}`
  // Whoever makes a role on 16 is a member of it, and each change of a membership makes PostgreSQL read all of ours again
  // before the next check: the fewer changes before a check, the better 1,000 live roles are borne. So: comment, then grant.
  const first = how.maker === undefined ? [] : [asMaker(how.maker)]
  return how.hasSetFalse
    ? [...first, create, comment, `grant ${group} to ${role} with inherit true, set false`, oid]
    : [`${create} in role ${group}`, comment, oid]
}
