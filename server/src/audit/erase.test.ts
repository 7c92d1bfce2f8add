import assert from "node:assert/strict"
import { test } from "node:test"
import { leafHash, verifyProof } from "@safeconduct/tlog"
import { SERVER_ROLE } from "#kernel"
import { happened, openTestAudit, recompute } from "./fixture.ts"
import { eraseDisclosures } from "./store.ts"

const personal = { email: "alice@example.org", name: "Alice" }
const wish = { by: "spiffe://example.org/operator/ann", reason: "asked by the person" }

test("erased values are gone, and every proof still verifies", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(1, { personal }))
  const { id } = entries[0]!
  const before = await t.audit.entry(id)
  assert.equal(before.disclosures!["email"]!.value, "alice@example.org")
  const proof = await t.audit.receipt(id)

  const telling = await t.audit.erase({ entry: id, ...wish })
  const after = await t.audit.entry(id)
  assert.equal(after.disclosures, undefined)
  assert.equal(after.text, before.text)
  await verifyProof(proof, leafHash(Buffer.from(after.text)), t.verifier)
  await verifyProof(await t.audit.receipt(id), leafHash(Buffer.from(after.text)), t.verifier)
  const { by, event, data } = (await t.audit.entry(telling.id)).leaf
  assert.deepEqual(
    { by, event, data },
    {
      by: wish.by,
      event: "audit.erased",
      data: { entry: id, names: ["email", "name"], reason: wish.reason },
    },
  )
  assert.equal((await t.store.owner.query("select from audit.disclosures")).length, 0)
})

test("the database erases nothing that no entry tells of", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(2, { personal, data: { entry: "x" } }))
  const [mine, other] = entries.map(({ id }) => id) as [string, string]
  const { id: telling } = await t.audit.erase({ entry: other, ...wish })
  for (const wrong of [telling, mine, "entry_x"]) {
    await assert.rejects(eraseDisclosures(t.store.database, mine, wrong), { code: "42501" })
  }
  assert.equal(Object.keys((await t.audit.entry(mine)).disclosures!).length, 2)
  await assert.rejects(t.audit.erase({ entry: "entry_x", ...wish }), { code: "not-found" })
})

test("an erasure that a crash cut off is finished at the next start", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(2, { personal }))
  await t.audit.commit(happened(1, { event: "audit.erased", data: { entry: entries[0]!.id, names: [], reason: "" } }))
  await t.another()
  assert.equal((await t.audit.entry(entries[0]!.id)).disclosures, undefined)
  assert.notEqual((await t.audit.entry(entries[1]!.id)).disclosures, undefined)
  assert.equal((await recompute(t.store.database)).size, 3)
})

test("an erasure that was recorded in a log that is closed since is done", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(2, { personal }))
  const [mine, other] = entries.map(({ id }) => id) as [string, string]
  const telling = (entry: string) => happened(1, { event: "audit.erased", data: { entry, names: [], reason: "" } })
  const { entries: told } = await t.audit.commit(telling(mine))
  await t.store.owner.query("select audit.close_log(2, $1)", [SERVER_ROLE])
  for (const wrong of [other, mine]) {
    await assert.rejects(eraseDisclosures(t.store.database, other, wrong), { code: "42501" })
  }
  await assert.rejects(eraseDisclosures(t.store.database, other, told[0]!.id), { code: "42501" })
  assert.equal(await eraseDisclosures(t.store.database, mine, told[0]!.id), 2)
})

test("on a log that was altered nothing is erased, whatever its entries say, and it opens", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(3, { personal }))
  await t.audit.receipt(entries[2]!.id)
  const claim = (entry: string, at: number) =>
    t.store.owner.query(
      "update audit.entries set event = 'audit.erased', leaf = convert_to($1, 'UTF8') where index = $2",
      [entry, at],
    )
  await claim(JSON.stringify({ data: { entry: entries[0]!.id } }), 1)
  await claim("no JSON", 2)
  const audit = await t.another()
  assert.notEqual(audit.fork, null)
  assert.notEqual((await audit.entry(entries[0]!.id)).disclosures, undefined)
})
