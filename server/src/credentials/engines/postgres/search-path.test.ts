import assert from "node:assert/strict"
import { test } from "node:test"
import { labDatabase, orderOf } from "./fixture.ts"
import { checkPrepared } from "./prepare.ts"

/** Operators that take precedence where PostgreSQL's own would have to convert, in a schema that everybody may write to. */
const TRAP = `
  create function public.trap(name, name) returns boolean language plpgsql as $$ begin
    insert into public.caught values (current_user); return $1::text ~ $2::text; end $$;
  create operator public.~ (leftarg = name, rightarg = name, function = public.trap);
  create function public.trap(text[], text[]) returns boolean language plpgsql as $$ begin
    insert into public.caught values (current_user); return false; end $$;
  create operator public.&& (leftarg = text[], rightarg = text[], function = public.trap);`

const name = `sc_00000000_${"0".repeat(26)}`

test("what a lease puts in another database is not run when it is cleaned up", async () => {
  const lab = await labDatabase(18, { scramIterations: 1 })
  await using dba = await lab.dba()
  const other = `${lab.database}_other`
  await dba.query(`create database ${other}`)
  await using inside = await lab.dba(other)
  await inside.query("grant create on schema public to public; create table public.caught (who text)")
  await inside.query("grant insert on public.caught to public")
  await using engine = lab.engine()
  const { oid, credential } = await engine.issue(orderOf(lab, { name }))
  {
    await using lease = await lab.lease(credential.reveal(), other)
    await lease.query(TRAP)
  }
  await engine.revoke({ name, oid })
  assert.deepEqual((await inside.query("select who from public.caught")).rows, [])
})

test("what somebody puts in the database is run neither by the DBA's check nor by ours", async () => {
  const lab = await labDatabase(18, { scramIterations: 1 })
  await using dba = await lab.dba()
  await dba.query("create table public.caught (who text); grant insert on public.caught to public")
  await dba.query(TRAP)
  await dba.query(`create view v as select 1; grant select on v to ${lab.spec.groups[0]!.role}`)
  await checkPrepared(lab.superuserUrl, lab.spec)
  await using engine = lab.engine()
  await engine.check(lab.part)
  await engine.list("00000000")
  assert.deepEqual((await dba.query("select who from public.caught")).rows, [])
})
