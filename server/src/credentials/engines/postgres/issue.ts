import { Secret } from "#kernel"
import { APPROVAL_USED, type Credential, type Made, type Order, ResourceError, UNPREPARED } from "../../engine.ts"
import type { Connections } from "./connect.ts"
import { AS_OURSELVES, asMaker } from "./makers.ts"
import { REFUSED } from "./mapping/approvals.ts"
import { approveStatement, bindStatement } from "./mapping/bind.ts"
import { mappingFindings } from "./mapping/check.ts"
import type { PostgresPart } from "./part.ts"
import { literal, name } from "./quote.ts"
import { newPassword, scramVerifier } from "./scram.ts"

/** From here on a membership can be given without SET ROLE, and a role's maker is not a member of it by itself. */
export const VERSION_WITH_SET_FALSE = 160_000

/**
 * Makes a login role that inherits the operation's group role and nothing else, and writes down whose it is. All statements go
 * in one message, which PostgreSQL runs as one transaction: a crash on either side leaves the whole role or none. Throws
 * UNPREPARED where the operation binds its user or requires an approval, and what would say whose and what that is was changed;
 * APPROVAL_USED for an approval of what was done there before.
 */
export async function issue(connections: Connections, order: Order): Promise<Made> {
  const part = order.part as PostgresPart
  const { groupRole, bindsUser = false, approval } = part.operations[order.operation]!
  const needsApproval = approval === "required"
  const password = newPassword()
  const [version, makers, verifier] = await Promise.all([
    connections.version(),
    connections.makers(),
    scramVerifier(password, { iterations: part.limits.scramIterations }),
    bindsUser || needsApproval ? requireMapping(connections, needsApproval) : undefined,
  ])
  const made = await make(
    connections,
    statements(groupRole, order, {
      verifier,
      needsMapping: bindsUser || needsApproval,
      needsApproval,
      connectionLimit: part.limits.connectionsPerLease,
      hasSetFalse: version >= VERSION_WITH_SET_FALSE,
      maker: makers[Math.floor(Math.random() * makers.length)],
    }),
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
  return { oid: made.oid, credential: new Secret(credential) }
}

/** Read each time: rules that ask whose a lease is must not be answered by functions that somebody put in place of ours. */
async function requireMapping({ give, root }: Connections, needsApprovals: boolean): Promise<void> {
  const [found] = await mappingFindings(give, { account: root.username, isNeeded: true, needsApprovals })
  if (found !== undefined) throw new ResourceError(`Could not bind the lease: ${found.what}`, UNPREPARED, false)
}

async function make({ give }: Connections, statements: readonly string[]): Promise<{ oid: string }> {
  try {
    const [made] = await give.run<{ oid: string }>("make the role", statements.join(";\n"))
    return made!
  } catch (error) {
    const isUsed = error instanceof ResourceError && error.code === REFUSED.used
    throw isUsed ? new ResourceError(error.message, APPROVAL_USED, false) : error
  }
}

/** The statements that make a role; the last returns its OID. Granting is by membership only: no object's ACL grows. */
export function statements(
  groupRole: string,
  order: Order,
  how: {
    verifier: string
    connectionLimit: number
    hasSetFalse: boolean
    maker?: string | undefined
    needsMapping: boolean
    needsApproval: boolean
  },
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
  const approve = approveStatement(order, how.needsApproval)
  const bind = [bindStatement(order, how.needsMapping), ...(approve === null ? [] : [approve])]
  return how.hasSetFalse
    ? [...first, create, comment, `grant ${group} to ${role} with inherit true, set false`, AS_OURSELVES, ...bind, oid]
    : [`${create} in role ${group}`, comment, ...bind, oid]
}
