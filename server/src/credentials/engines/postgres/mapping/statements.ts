import { literal, name } from "../quote.ts"
import { approvalFunctions } from "./approvals.ts"
import { functionStatement, mappingFunctions, OWNER, SCHEMA, signatureOf } from "./functions.ts"
import { approvalsTable, leasesTable, tableStatements } from "./tables.ts"

/**
 * The statements that install the mapping of leases, each of which may be run again: whose each lease is and what it was
 * approved for, in tables that nobody has a right on, and functions that say so. Only `account` may write it, and only by functions that make a line for
 * a role that has none, and end it.
 */
export function mappingStatements(account: string): string[] {
  const functions = [...mappingFunctions, ...approvalFunctions]
  const written = functions
    .filter(({ isPublic }) => !isPublic)
    .map(signatureOf)
    .join(", ")
  return [
    `-- Whose each lease is, for row-level rules and triggers; only Safeconduct can write it.\ndo ${literal(OWNER_STANDS_ALONE)}`,
    `do ${literal(ACT_AS_OWNER)}`,
    `create schema if not exists ${SCHEMA} authorization ${OWNER}`,
    `do ${literal(SCHEMA_IS_OURS)}`,
    // What the DBA makes is given to whomever his default privileges name.
    `set role ${OWNER}`,
    `grant usage on schema ${SCHEMA} to public`,
    ...tableStatements(leasesTable),
    `alter table ${SCHEMA}.leases alter issued_at set default pg_catalog.clock_timestamp()`,
    `create index if not exists leases_ended on ${SCHEMA}.leases (ended_at)`,
    ...tableStatements(approvalsTable),
    `alter table ${SCHEMA}.approvals alter bound_at set default pg_catalog.clock_timestamp()`,
    ...functions.map(functionStatement),
    `revoke execute on function ${written} from public`,
    `grant execute on function ${written} to ${name(account)}`,
    "reset role",
    `do ${literal(ACT_NO_LONGER)}`,
  ]
}

/** Whoever could act as the owner could say whose each lease is. */
const OWNER_STANDS_ALONE = `begin
  begin
    create role ${OWNER} nologin;
  exception when duplicate_object or unique_violation then null;
  end;
  if exists (select from pg_catalog.pg_roles r where r.rolname = '${OWNER}' and (r.rolcanlogin or r.rolsuper or
      r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls or exists (
        select from pg_catalog.pg_auth_members m where m.member = r.oid))) then
    raise exception 'The role ${OWNER} is there already and may do more than own the mapping of leases; drop or rename it.';
  end if;
end`

// A DBA who is no superuser, as those of hosted databases are, acts as the owner for as long as this takes.
const IS_SUPERUSER = "pg_catalog.current_setting('is_superuser') = 'on'"
const ACT_AS_OWNER = `begin
  if ${IS_SUPERUSER} then return; end if;
  if pg_catalog.current_setting('server_version_num')::int >= 160000
    then execute 'grant ${OWNER} to current_user with inherit false, set true';
    else grant ${OWNER} to current_user; end if;
end`
const ACT_NO_LONGER = `begin
  if not ${IS_SUPERUSER} then revoke ${OWNER} from current_user; end if;
end`

const SCHEMA_IS_OURS = `begin
  if not exists (select from pg_catalog.pg_namespace n join pg_catalog.pg_roles r on r.oid = n.nspowner
      where n.nspname = '${SCHEMA}' and r.rolname = '${OWNER}') then
    raise exception 'There is a schema ${SCHEMA} that is somebody else''s; drop or rename it.';
  end if;
end`
