import assert from "node:assert/strict"
import { test } from "node:test"
import { parseDetails } from "#sessions"
import { act } from "./act.ts"
import { chained, openTestChain } from "./chain.fixture.ts"
import { readKb } from "./fixture.ts"

test("a credential is made for the session's user, application, chain and parameters, in a session beneath it too", async () => {
  await using chain = await openTestChain()
  const { rooms, gate, bot, shipper } = chain
  const signedIn = { provider: "shop", iss: "https://id.shop.example", sub: "alice", claims: { customer: ["1001"] } }
  const user = (await rooms.audit.commit(rooms.sessions.rememberUser(signedIn, "server"))).result
  const root = await chain.root({
    user,
    application: "shop-web",
    details: parseDetails(chained.purposes.answer.actions),
    requestText: null,
    parameters: { order: 17 },
    by: { kind: "provider", claim: "may_act", tokenDigest: "digest" },
    providerSession: null,
  })
  const beneath = await chain.beneath(root, shipper)
  const links = [{ session: root.id, agent: "bot", instance: bot.instance }]
  for (const [session, caller, hops] of [[root, bot, []] as const, [beneath, shipper, links] as const]) {
    const { handed } = await act(rooms, caller, { session: session.id, action: readKb, idempotencyKey: null })
    const { lease } = handed!
    assert.deepEqual([lease.user, lease.application, lease.chain], [user.id, "shop-web", hops])
    const { iss, sub, claims } = signedIn
    assert.deepEqual([lease.person, lease.parameters], [{ iss, sub, claims }, { order: 17 }])
    const issued = (await gate.entries("credentials.lease-issued")).at(-1)!
    const told = hops.map(({ session: of, agent }) => ({ session: of, agent }))
    assert.deepEqual([issued.user, issued.application, issued.chain ?? []], [user.id, "shop-web", told])
  }
})
