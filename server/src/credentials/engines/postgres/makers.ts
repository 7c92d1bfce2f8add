import { fingerprint } from "#kernel"
import { literal, name } from "./quote.ts"

/*
 * On PostgreSQL 16 and newer whoever makes a role becomes a member of it, and after each change of a membership the next
 * check reads all of the maker's: with 10,000 live leases our account alone made 14 a second. So `prepare` makes roles that
 * do nothing but make leases, each with a share of them, and our account acts as one of them by SET LOCAL ROLE. They cannot
 * log in, and what they may do our account may do as well.
 */

/** How many roles make leases. */
export const MAKERS = 32
/** PostgreSQL cuts longer names. */
const LONGEST_STEM = 50

/** Of a role `m`: it is named as a maker. */
export const IS_NAMED = "m.rolname ~ '_maker_[0-9]+$'"
/**
 * Of a role `m`: it makes leases and no more. By name too: a group role that wrongly may make roles is none, and what it makes
 * would belong to every lease.
 */
export const ARE_MAKERS = `m.rolcreaterole and not m.rolcanlogin and not m.rolsuper and ${IS_NAMED}`

/** The statement that makes the makers of an account, each allowed to give out the groups. Does nothing on PostgreSQL 15. */
export function makersStatement(account: string, groups: readonly string[]): string {
  const stem = Buffer.byteLength(account) <= LONGEST_STEM ? account : `sc_${fingerprint(account).slice(0, 40)}`
  const grants = groups.map(
    (group) => `execute pg_catalog.format('grant %I to %I with admin option', ${literal(group)}, maker);`,
  )
  return `do ${literal(`declare maker text;
begin
  if pg_catalog.current_setting('server_version_num')::int < 160000 then return; end if;
  for nth in 1..${MAKERS} loop
    maker := pg_catalog.format('%s_maker_%s', ${literal(stem)}, nth);
    if not exists (select from pg_catalog.pg_roles where rolname = maker) then
      execute pg_catalog.format('create role %I nologin createrole', maker);
    elsif not exists (select from pg_catalog.pg_roles m where rolname = maker and ${ARE_MAKERS}) then
      raise exception 'The role % is there already and does more than make leases; drop or rename it.', maker;
    end if;
    execute pg_catalog.format('grant %I to %I with inherit false, set true', maker, ${literal(account)});
    ${grants.join("\n    ")}
  end loop;
end`)}`
}

/** Selects the makers that an account may act as; `account` is SQL for its name. */
export function makersOf(account: string): string {
  return `select m.oid, m.rolname as maker from pg_catalog.pg_auth_members a
    join pg_catalog.pg_roles m on m.oid = a.roleid
    join pg_catalog.pg_roles u on u.oid = a.member
   where u.rolname = ${account} and not a.admin_option and ${ARE_MAKERS}`
}

/** Acts as the maker until the transaction ends. */
export function asMaker(maker: string): string {
  return `set local role ${name(maker)}`
}

/** Acts as our own account again, which alone may write whose a lease is. */
export const AS_OURSELVES = "set local role none"

/**
 * Acts as whichever maker made the role, until the transaction ends; as ourselves when we made it, or when it is gone. One that
 * somebody gave more rights makes no leases any more, but nobody else can take away those that it made.
 */
export function asMakerOf(role: string): string {
  return `select pg_catalog.set_config('role', coalesce((
    select m.rolname from pg_catalog.pg_auth_members a
      join pg_catalog.pg_roles r on r.oid = a.roleid
      join pg_catalog.pg_roles m on m.oid = a.member
     where r.rolname = ${literal(role)} and a.admin_option and not m.rolsuper and ${IS_NAMED} limit 1), 'none'), true)`
}
