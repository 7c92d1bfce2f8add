import assert from "node:assert/strict"
import { describe, test } from "node:test"
import { approving, aRaise, heldOf, openTestApproving } from "../server/src/gate/approve/approve.fixture.ts"
import { until } from "../server/src/gate/approve/ways.fixture.ts"
import { startAsking } from "../server/src/gate/approve/ways.ts"
import { type CibaVendor, type StartedCiba, startCiba } from "../server/src/sessions/providers/fakes/ciba.fixture.ts"
import { cibaVendors } from "../server/src/sessions/providers/fakes/ciba-vendors.fixture.ts"
import { clientSecret } from "../server/src/sessions/providers/fixture.ts"

/** An HR agent whose raises wait for Alice, who is asked at a provider that speaks as its maker documents. */
async function openHr(of: CibaVendor) {
  await using stack = new AsyncDisposableStack()
  // Five seconds between two polls are documented; they would be waited for here.
  const quick = { ...of, acknowledgement: { ...of.acknowledgement, interval: 1 } }
  const { clientAuthentication = "client_secret_post" } = of.vendor.configuration
  const provider: StartedCiba = stack.use(await startCiba(quick, { clientAuthentication, ...quick.configuration }))
  const { user } = provider
  // Agents that it knows by itself are other stories'.
  const { delegatedTokens: _, ...definition } = provider.definition
  const hr = stack.use(
    await openTestApproving({
      providers: { hr: definition },
      approvals: { ...approving.approvals, proofs: { sign: ["provider"] } },
    }),
  )
  const { rooms } = hr
  await rooms.sessions.providers.setSecret("hr", clientSecret, hr.gate.operator.spiffeId)
  const seen = { provider: "hr", ...user }
  const alice = (await rooms.audit.commit(rooms.sessions.rememberUser(seen, "server"))).result
  const session = await hr.session(alice)
  stack.use(startAsking(rooms))
  const owned = stack.move()
  return { provider, hr, rooms, alice, session, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

for (const of of cibaVendors) {
  describe(`an HR action that is asked about at ${of.vendor.profile}`, () => {
    test("happens once she has agreed there, and not before, and not twice", async () => {
      await using at = await openHr(of)
      const { hr, provider, session } = at
      const held = heldOf(await hr.raise(session))
      await until(() => provider.askings.size === 1)
      assert.equal((await hr.raise(session, aRaise, { approval: held.id })).decision.verdict, "ask")
      provider.last().state = "approved"
      await until(async () => (await at.rooms.approvals.find(held.id))!.state === "approved")
      assert.equal((await hr.raise(session, aRaise, { approval: held.id })).decision.verdict, "allow")
      assert.equal((await hr.raise(session, aRaise, { approval: held.id })).decision.verdict, "deny")
      const changed = await hr.raise(session, { ...aRaise, amount: 52_000 }, { approval: held.id })
      assert.equal(changed.decision.verdict, "deny")
      assert.equal(provider.askings.size, 1)
    })

    test("does not happen when she says no there", async () => {
      await using at = await openHr(of)
      const { hr, provider, session } = at
      const held = heldOf(await hr.raise(session))
      await until(() => provider.askings.size === 1)
      provider.last().state = "denied"
      await until(async () => (await at.rooms.approvals.find(held.id))!.state === "denied")
      assert.equal((await hr.raise(session, aRaise, { approval: held.id })).decision.verdict, "deny")
    })

    test("does not happen when somebody else answers there", async () => {
      await using at = await openHr(of)
      const { hr, provider, session, alice } = at
      const held = heldOf(await hr.raise(session))
      await until(() => provider.askings.size === 1)
      provider.alter = ({ header, payload }) => ({ header, payload: { ...payload, sub: "somebody-else" } })
      provider.last().state = "approved"
      await until(async () => (await at.rooms.approvals.ways.of(held.id, alice.id))?.state === "failed")
      assert.equal((await at.rooms.approvals.find(held.id))!.state, "requested")
    })
  })
}
