import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import fc from "fast-check"
import { decodeJwt } from "jose"
import { refusalCode } from "#kernel"
import { type ActionDetail, narrower, parseDetails } from "#sessions"
import { document } from "../fixture.ts"
import { renewSession } from "../open.ts"
import { openTestTokens, type TestTokens } from "./tokens.fixture.ts"

let room: TestTokens
before(async () => {
  room = await openTestTokens()
})
after(() => room?.[Symbol.asyncDispose]())

const detail: fc.Arbitrary<ActionDetail> = fc
  .record({
    actions: fc.subarray(["credential:read", "credential:write", "tool:ask"], { minLength: 1 }),
    atMost: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    oneOf: fc.option(fc.subarray(["a", "b", "c"], { minLength: 1 }), { nil: undefined }),
  })
  .map(({ actions, atMost, oneOf }) => {
    const rules = {
      ...(atMost === undefined ? {} : { amount: [{ atMost }] }),
      ...(oneOf === undefined ? {} : { name: [{ oneOf }] }),
    }
    const bound = Object.keys(rules).length === 0 ? {} : { arguments: rules }
    return parseDetails([{ type: "safeconduct_action", actions, locations: ["kb"], ...bound }])[0]!
  })
const details = fc.array(detail, { minLength: 1, maxLength: 2 })
const perhaps = fc.option(details, { nil: null })

test("pitfall 21: no exchange, consent, renewal or token is for anything outside purpose, ceiling, consent, token and request", async () => {
  const { answer } = document.purposes
  let opened = 0
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        purpose: details,
        ceiling: details,
        consent: details,
        said: perhaps,
        asked: perhaps,
        may: fc.boolean(),
      }),
      async ({ purpose, ceiling, consent, said, asked, may }) => {
        await room.apply({
          purposes: { answer: { ...answer, actions: purpose, consent: "required" } },
          agents: { bot: { ...document.agents.bot, ceiling } },
        })
        await room.consent(consent)
        const mayAct = may ? [{ agent: "bot", claim: "may_act" }] : []
        const subject_token = room.issue({ details: said, mayAct })
        const form = asked === null ? {} : { authorization_details: JSON.stringify(asked) }
        const granted = await room.exchange({ subject_token, ...form }).catch((error: unknown) => {
          assert.ok(["purpose-not-allowed", "consent-required"].includes(refusalCode(error) ?? String(error)))
          return null
        })
        if (granted === null) return
        opened += 1
        const bounds = { purpose, ceiling, said, asked, consent: may ? null : consent }
        const { access_token: again } = await room.rooms.sessions.clientCredentials(
          { safeconduct_session: granted.session.id },
          room.bot,
        )
        const renewed = await renewSession(room.rooms, room.bot, granted.session.id)
        const all = [granted.mandate.details, renewed.mandate.details]
        const tokens = [granted.token.accessToken, again, renewed.token.accessToken]
        all.push(...tokens.map((token) => parseDetails(decodeJwt(token)["authorization_details"])))
        for (const each of all) {
          for (const [name, bound] of Object.entries(bounds)) if (bound !== null) assert.ok(narrower(each, bound), name)
        }
      },
    ),
    { numRuns: 60 },
  )
  assert.ok(opened > 5, `${opened} sessions were opened`)
})
