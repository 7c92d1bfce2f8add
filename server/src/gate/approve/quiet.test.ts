import assert from "node:assert/strict"
import { after, test } from "node:test"
import type { Approval } from "#approvals"
import type { User } from "#sessions"
import { approving, aRaise, heldOf, openTestApproving } from "./approve.fixture.ts"
import { quietUntil } from "./quiet.ts"

const members = ["olga", "max"].map((subject) => ({ provider: "hr", subject }))
const policies = `@id("all") permit (principal, action, resource);
  @id("two") @ask("leads") forbid (principal, action, resource) when { context.operation == "raise" } unless { context.approved };`
const at = await openTestApproving()
after(() => at[Symbol.asyncDispose]())
const { rooms, gate, alice } = at

/** Quiet for another hour, or for two, by the clock on a wall in UTC; null for no more. */
async function quiet(user: User, hours: number | null): Promise<void> {
  const at = (ms: number) => new Date(Date.now() + ms).toISOString().slice(11, 16)
  const quietHours = hours === null ? null : { from: at(-3_600_000), to: at(hours * 3_600_000), timeZone: "UTC" }
  await rooms.audit.commit(rooms.approvals.people.wish(user.id, { locale: "en", quietHours }))
}

const hoursLeft = async (approval: Approval) => {
  const until = await quietUntil(rooms, approval)
  return until && Math.round((until.getTime() - Date.now()) / 3_600_000)
}

test("an agent learns until when the user is not to be disturbed", async () => {
  const held = heldOf(await at.raise(await at.session()))
  assert.equal(await hoursLeft(held), null)
  await quiet(alice, 2)
  assert.equal(await hoursLeft(held), 2)
  assert.equal(await hoursLeft({ ...held, state: "approved" }), null)
})

test("of a group it counts when as many can be disturbed as it takes", async () => {
  const [olga, max] = [await at.person("olga"), await at.person("max")]
  const approvals = { ...approving.approvals, groups: { leads: { members, required: 1 } } }
  await gate.apply({ ...approving, approvals, policies: [{ file: "hr.cedar", text: policies }] } as never)
  const held = heldOf(await at.raise(await at.session(), { ...aRaise, amount: 1 }))
  await quiet(olga, 1)
  assert.equal(await hoursLeft(held), null, "Max is there")
  await quiet(max, 2)
  assert.equal(await hoursLeft(held), 1)
  const both = { ...held, requirements: held.requirements.map((each) => ({ ...each, required: 2 })) }
  assert.equal(await hoursLeft(both), 2)
})
