import assert from "node:assert/strict"
import { test } from "node:test"
import { type Explanation, explained } from "./explanation.ts"

const [expiresAt, hardEndAt] = ["2026-01-01T10:15:00.000Z", "2026-01-01T18:00:00.000Z"]
const session = { id: "session_1", agent: "support-bot", purpose: "order-help", state: "open", expiresAt, hardEndAt }
const answer: Explanation = {
  session,
  description: "Help with orders",
  requestText: "application",
  may: [
    { words: "read your orders in the shop", verdict: "allow", reasons: [], limits: [] },
    {
      words: "refund in the shop, at most 5 times",
      verdict: "deny",
      reasons: ["Not on Sundays."],
      limits: [
        { measure: "uses", perSeconds: null, atMost: 5, left: 3 },
        { measure: "sum:amount", perSeconds: 3_600, atMost: 80, left: 29.5 },
      ],
    },
  ],
  used: [
    { measure: "sum:amount", spent: 50.5 },
    { measure: "uses", spent: 2 },
  ],
  labels: [{ label: "untrusted", since: expiresAt }],
}

test("a session is explained in sentences", () => {
  assert.deepEqual(explained(answer), [
    `session_1 of support-bot, for order-help (Help with orders), until ${expiresAt}, renewed until ${hardEndAt} at the latest.`,
    "It may",
    "  read your orders in the shop",
    "  refund in the shop, at most 5 times; left: 3 of 5 uses, 29.5 of 80 of amount in 3600 s; denied now: Not on Sundays.",
    "Request of the user: signed by the application",
    "Used of its limits: amount 50.5, 2 uses",
    `Seen: untrusted (since ${expiresAt})`,
  ])
})

test("one that is over may nothing", () => {
  const over = explained({ ...answer, session: { ...session, state: "ended" }, may: [], used: [], labels: [] })
  assert.deepEqual(over, [
    "session_1 of support-bot, for order-help (Help with orders), is over: it may do nothing.",
    "Used of its limits: nothing",
    "Seen: nothing that is labelled",
  ])
})
