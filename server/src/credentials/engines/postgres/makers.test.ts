import assert from "node:assert/strict"
import { test } from "node:test"
import { silentLog } from "#kernel"
import { type LabDatabase, labDatabase, orderOf } from "./fixture.ts"
import { applyPrepare, checkPrepared } from "./prepare.ts"

const name = (nth: number) => `sc_00000000_${String(nth).padStart(26, "0")}`

async function issued(lab: LabDatabase, names: readonly string[]) {
  await using held = lab.engine()
  return await Promise.all(names.map((each) => held.issue(orderOf(lab, { name: each }))))
}

/** Who may administer a role: whoever made it. */
async function makersOf(lab: LabDatabase, role: string): Promise<string[]> {
  await using dba = await lab.dba()
  const { rows } = await dba.query<{ maker: string }>(
    `select member::regrole::text as maker from pg_auth_members where roleid = $1::regrole and admin_option`,
    [role],
  )
  return rows.map(({ maker }) => maker)
}

test("on PostgreSQL 18 leases are made by roles that make nothing else, and taken away by the one that made each", async () => {
  const lab = await labDatabase(18, { scramIterations: 1 })
  const names = [1, 2, 3, 4, 5, 6, 7, 8].map(name)
  const made = await issued(lab, names)
  const makers = new Set((await Promise.all(names.map((each) => makersOf(lab, each)))).flat())
  assert.ok(makers.size > 1)
  for (const maker of makers) assert.match(maker, new RegExp(`^${lab.spec.account}_maker_\\d+$`))
  await using engine = lab.engine()
  await engine.renew({ name: names[0]!, oid: made[0]!.oid }, new Date(Date.now() + 120_000))
  for (const [at, each] of names.entries()) await engine.revoke({ name: each, oid: made[at]!.oid })
  const traces = await engine.readBack(names.map((each) => ({ name: each, oid: null })))
  assert.ok(traces.every(({ hasAccount }) => !hasAccount))
})

test("on PostgreSQL 15 there are no such roles: there a role's maker does not become its member", async () => {
  const lab = await labDatabase(15, { scramIterations: 1 })
  await using dba = await lab.dba()
  const { rowCount } = await dba.query("select from pg_roles where rolname like $1", [`${lab.spec.account}%maker%`])
  assert.equal(rowCount, 0)
})

test("a lease that our account made itself, before the makers were there, is taken away after", async () => {
  const lab = await labDatabase(18, { scramIterations: 1 })
  await using dba = await lab.dba()
  const { rows } = await dba.query<{ maker: string }>("select rolname as maker from pg_roles where rolname like $1", [
    `${lab.spec.account}_maker_%`,
  ])
  for (const { maker } of rows) await dba.query(`drop owned by ${maker}; drop role ${maker}`)
  const [made] = await issued(lab, [name(9)])
  assert.deepEqual(await makersOf(lab, name(9)), [lab.spec.account])
  assert.equal(await applyPrepare(lab.superuserUrl, lab.spec, silentLog), null)
  await using engine = lab.engine()
  await engine.revoke({ name: name(9), oid: made!.oid })
  assert.deepEqual((await engine.readBack([{ name: name(9), oid: null }]))[0]!.hasAccount, false)
})

test("a maker can neither log in nor be acted as by a lease", async () => {
  const lab = await labDatabase(18, { scramIterations: 1 })
  const [made] = await issued(lab, [name(10)])
  await using lease = await lab.lease(made!.credential.reveal())
  await assert.rejects(lease.query(`set role ${lab.spec.account}_maker_1`), { code: "42501" })
  await using dba = await lab.dba()
  const { rows } = await dba.query<{ login: boolean }>("select rolcanlogin as login from pg_roles where rolname = $1", [
    `${lab.spec.account}_maker_1`,
  ])
  assert.equal(rows[0]!.login, false)
  await using engine = lab.engine()
  await engine.revoke({ name: name(10), oid: made!.oid })
})

test("the check finds makers that may not give out a group, and preparing again mends it", async () => {
  const lab = await labDatabase(18)
  await using dba = await lab.dba()
  await dba.query(`revoke ${lab.spec.groups[0]!.role} from ${lab.spec.account}_maker_3`)
  const [found, ...others] = await checkPrepared(lab.superuserUrl, lab.spec)
  assert.deepEqual([found!.level, others.length], ["problem", 0])
  assert.match(found!.what, /1 roles that make leases/)
  await dba.query(found!.fix)
  assert.deepEqual(await checkPrepared(lab.superuserUrl, lab.spec), [])
})

test("a maker that somebody gave more rights makes no more leases, and those that it made are taken away", async () => {
  const lab = await labDatabase(18, { scramIterations: 1 })
  await using dba = await lab.dba()
  const [made] = await issued(lab, [name(11)])
  const [maker] = await makersOf(lab, name(11))
  await dba.query(`alter role ${maker} login`)
  await using engine = lab.engine()
  await engine.revoke({ name: name(11), oid: made!.oid })
  assert.equal((await engine.readBack([{ name: name(11), oid: null }]))[0]!.hasAccount, false)
  const [found] = await engine.check(lab.part)
  assert.equal(found!.what, `${maker} may do more than make leases for ${lab.spec.account}.`)
  await dba.query(found!.fix)
  assert.deepEqual(await engine.check(lab.part), [])
})

test("a role of a maker's name that may log in is given nothing: prepare is refused and changes nothing", async () => {
  const lab = await labDatabase(18)
  const account = `${lab.database}_second`
  await using dba = await lab.dba()
  await dba.query(`create role ${account}_maker_7 login createrole`)
  await assert.rejects(
    applyPrepare(lab.superuserUrl, { ...lab.spec, account }, silentLog),
    /second_maker_7 is there already/,
  )
  assert.equal((await dba.query("select from pg_roles where rolname = $1", [account])).rowCount, 0)
  const { rowCount } = await dba.query("select from pg_auth_members where member = $1::regrole", [`${account}_maker_7`])
  assert.equal(rowCount, 0)
})

test("an account with a name that leaves no room for more has makers too", async () => {
  const lab = await labDatabase(18)
  const account = `a${"b".repeat(62)}`
  await applyPrepare(lab.superuserUrl, { ...lab.spec, account }, silentLog)
  await using dba = await lab.dba()
  const { rowCount } = await dba.query("select from pg_auth_members where member = $1::regrole and not admin_option", [
    account,
  ])
  assert.equal(rowCount, 32 + 2)
})
