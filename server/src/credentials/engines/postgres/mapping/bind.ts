import type { Order } from "../../../engine.ts"
import { literal } from "../quote.ts"
import { OWNER, SCHEMA } from "./functions.ts"

/**
 * The statement that writes down whose the role is, in the transaction that makes it. Where the operation does not bind
 * its user, a resource that was never prepared for that is used all the same.
 */
export function bindStatement({ name, binding }: Order, isRequired: boolean): string {
  const { lease, session, purpose, agent, user, application, chain, parameters } = binding
  const facts = {
    lease,
    session,
    purpose,
    agent,
    user: user?.id ?? null,
    issuer: user?.iss ?? null,
    subject: user?.sub ?? null,
    claims: user?.claims ?? {},
    parameters,
    application,
    chain,
  }
  const call = `${SCHEMA}.bind(${literal(name)}, ${literal(JSON.stringify(facts))})`
  return isRequired ? `select ${call}` : ifInstalled("bind", `perform ${call};`)
}

/**
 * The statement that writes down what the role was approved for, after bindStatement(); null where nobody was asked. Where the
 * operation does not require it, a resource that cannot hold it is used all the same.
 */
export function approveStatement({ name, operation, binding }: Order, isRequired: boolean): string | null {
  if (binding.approval === null) return null
  const { id, digest, arguments: approved } = binding.approval
  const facts = { approval: id, digest, operation, arguments: approved }
  const call = `${SCHEMA}.approve(${literal(name)}, ${literal(JSON.stringify(facts))})`
  return isRequired ? `select ${call}` : ifInstalled("approve", `perform ${call};`)
}

/**
 * The statement that writes down that the lease has ended, in the transaction that drops the role. Taking away does not fail
 * because of it: what it could not write tidy() does, and until then the line is that of a role which is not there.
 */
export function unbindStatement(role: string): string {
  return ifInstalled(
    "unbind",
    `begin perform ${SCHEMA}.unbind(${literal(role)}); exception when others then null; end;`,
  )
}

/** Ends the lines of roles that are gone, and removes those that were kept long enough. */
export const TIDY = ifInstalled("tidy", `perform ${SCHEMA}.tidy();`)

/** By owner: a function of that name in somebody else's schema would be run with our rights. */
function ifInstalled(writer: string, work: string): string {
  return `do ${literal(`begin
  if exists (select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
              where n.nspname = '${SCHEMA}' and p.proname = '${writer}' and pg_catalog.has_function_privilege(p.oid, 'execute')
                and pg_catalog.pg_get_userbyid(p.proowner) = '${OWNER}') then ${work} end if; end`)}`
}
