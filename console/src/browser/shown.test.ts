import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { test } from "node:test"
import { base64url, canonical } from "./bytes.ts"
import { rootOf } from "./merkle.ts"
import { cardDigest, requireShown, type ShownCard } from "./shown.ts"

const origin = "https://safeconduct.example"
const sha256 = (...parts: (string | Uint8Array)[]) => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest()
}

function cardOf(approval: string, amount: number): ShownCard {
  return {
    approval,
    version: "safeconduct/card/1",
    locale: "en",
    lines: [
      ["headline", `Refund ${amount} to “Jo Park”`],
      ["value", "Ж"],
    ],
    action: JSON.stringify({ type: "tool", resource: "kb", operation: "refund", arguments: { amount, to: "Jo Park" } }),
  }
}

async function statementOf(card: ShownCard, change: object = {}): Promise<string> {
  const { type, resource, operation, arguments: given } = JSON.parse(card.action)
  return canonical({
    v: "safeconduct/approval/1",
    issuer: `${origin}/`,
    approval: card.approval,
    decision: "approve",
    bounds: null,
    action: { id: "action_1", salt: "x", digest: "y", type, resource, operation, arguments: given },
    card: { version: card.version, locale: card.locale, digest: await cardDigest(card) },
    ...change,
  })
}

const signed = async (statements: string[]) => ({ statements, challenge: base64url(await rootOf(statements)) })
const [one, two, three] = [cardOf("approval_1", 49.9), cardOf("approval_2", 5), cardOf("approval_3", 7)]

test("the root is that of RFC 9162 for any number of statements", async () => {
  const [a, b, c] = ["a", "b", "c"].map((text) => sha256(Uint8Array.of(0), text)) as [Buffer, Buffer, Buffer]
  const node = (left: Buffer, right: Buffer) => sha256(Uint8Array.of(1), left, right)
  assert.deepEqual(Buffer.from(await rootOf(["a"])), a)
  assert.deepEqual(Buffer.from(await rootOf(["a", "b", "c"])), node(node(a, b), c))
  await assert.rejects(rootOf([]), TypeError)
})

test("a card's digest is over its version, language and every marked line, as canonical JSON", async () => {
  const expected = sha256(JSON.stringify([one.version, "en", one.lines])).toString("base64url")
  assert.equal(await cardDigest(one), expected)
})

test("what stands on the page may be signed, one card or several", async () => {
  await requireShown(await signed([await statementOf(one)]), { cards: [one], bounds: null, origin })
  const cards = [one, two, three]
  const statements = await Promise.all(cards.map((card) => statementOf(card)))
  await requireShown(await signed(statements), { cards, bounds: null, origin })
})

const refusals: { [what: string]: () => Promise<[statements: string[], chosen: object]> } = {
  "another amount than shown": async () => {
    const action = { ...JSON.parse(await statementOf(one)).action, arguments: { amount: 4990, to: "Jo Park" } }
    return [[await statementOf(one, { action })], {}]
  },
  "another card than drawn": async () => [
    [await statementOf(one, { card: { version: one.version, locale: "en", digest: "A".repeat(43) } })],
    {},
  ],
  "a line more on the page than was signed": async () => {
    const more: ShownCard = { ...one, lines: [...one.lines, ["value", "harmless"]] }
    return [[await statementOf(one)], { cards: [more] }]
  },
  "another language": async () => [[await statementOf(one)], { cards: [{ ...one, locale: "de" }] }],
  "another request": async () => [[await statementOf(one, { approval: "approval_9" })], {}],
  "another site": async () => [[await statementOf(one, { issuer: "https://evil.example" })], {}],
  "another decision": async () => [[await statementOf(one, { decision: "deny" })], {}],
  "another form": async () => [[await statementOf(one, { v: "safeconduct/approval/2" })], {}],
  "bounds that nobody chose": async () => [[await statementOf(one, { bounds: { count: 5 } })], {}],
  "no bounds where some were chosen": async () => [[await statementOf(one)], { bounds: { count: 5 } }],
  "one more than was chosen": async () => [[await statementOf(one), await statementOf(two)], {}],
  "fewer than were chosen": async () => [[await statementOf(one)], { cards: [one, two] }],
  "another order": async () => [[await statementOf(two), await statementOf(one)], { cards: [one, two] }],
  nothing: async () => [[], { cards: [] }],
}

for (const [what, made] of Object.entries(refusals)) {
  test(`${what} is not signed`, async () => {
    const [statements, chosen] = await made()
    const challenge = statements.length === 0 ? "" : base64url(await rootOf(statements))
    const at = { cards: [one], bounds: null, origin, ...chosen }
    await assert.rejects(requireShown({ statements, challenge }, at), /is not what stands on this page/)
  })
}

test("a challenge that is made of something else is not signed", async () => {
  const statements = [await statementOf(one)]
  const other = base64url(await rootOf([await statementOf(two)]))
  await assert.rejects(
    requireShown({ statements, challenge: other }, { cards: [one], bounds: null, origin }),
    /the challenge/,
  )
})
