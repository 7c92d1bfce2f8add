import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { verifyApproval } from "@safeconduct/server/programs"
import { formToken } from "../server/src/gate/consent/form.ts"
import type { Asking } from "./fixtures/ciba-ground.ts"
import type { Answer, Phone } from "./fixtures/phones.ts"
import { openSigningGround, type SigningGround } from "./fixtures/signing-ground.ts"

/** What is not what somebody looked at and signed approves nothing: each of these is sent to a real server, and refused. */
let at: SigningGround
let bot: Asking
let alice: Phone
let bob: Phone

before(async () => {
  at = await openSigningGround()
  bot = await at.asking()
  alice = await at.phone("alice")
  bob = await at.phone("bob")
})
after(() => at?.[Symbol.asyncDispose]())

const ways = { prefetched: { "sec-purpose": "prefetch;prerender" }, "prefetched as of old": { purpose: "prefetch" } }
const refusedAs = ({ status, code }: Answer) => [status, code]

/** It waits still, and nobody said anything of it. */
async function assertWaits(...approvals: string[]): Promise<void> {
  for (const each of approvals) assert.equal(await at.stateOf(each), "requested")
  const { rows } = await at.ground.ours.query("select from approvals.decisions where request = any ($1)", [approvals])
  assert.equal(rows.length, 0)
}

describe("a decision is one form, sent by the page that its person looks at", () => {
  test("approve by GET, HEAD and every other method, and by a link that carries the whole form", async () => {
    const id = await at.held(bot)
    const card = await alice.card(id)
    const { options } = await alice.options(card)
    const response = alice.answer(options)
    const fields = { form: card.form, locale: "en", decision: "approve", bounds: "", response }
    const query = new URLSearchParams(fields)
    for (const method of ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
      for (const path of [`/approvals/${id}/decision`, `/approvals/${id}/challenge`]) {
        const { status, headers } = await alice.send(`${path}?${query}`, { method })
        assert.deepEqual([status, headers.get("allow")], [405, "POST"], `${method} ${path}`)
      }
    }
    // On the card's own page the same words are no words of ours.
    assert.deepEqual(refusedAs(await alice.send(`/approvals/${id}?${query}`)), [400, "invalid-request"])
    for (const header of ["x-http-method-override", "x-method-override", "x-http-method"]) {
      const { status } = await alice.send(`/approvals/${id}?language=en`, { headers: { [header]: "POST" } })
      assert.equal(status, 200)
    }
    const posted = await alice.send(`/approvals/${id}/decision?${query}`, { method: "POST", form: {} })
    assert.equal(posted.status, 400)
    const inJson = await alice.send(`/approvals/${id}/decision`, { method: "POST", json: fields })
    assert.ok(inJson.status === 400 || inJson.status === 415, String(inJson.status))
    await assertWaits(id)
    assert.equal((await alice.decide(card, { decision: "approve", response })).status, 303, "and sent as it should be")
  })

  for (const [how, headers] of Object.entries(ways)) {
    test(`by a page that is ${how}: it is not even drawn`, async () => {
      const id = await at.held(bot)
      for (const path of [`/approvals/${id}`, "/approvals"]) {
        assert.deepEqual(refusedAs(await alice.send(path, { headers })), [400, "invalid-request"], path)
      }
      const card = await alice.card(id)
      const { options } = await alice.options(card)
      const form = { form: card.form, locale: "en", decision: "approve", bounds: "", response: alice.answer(options) }
      const sent = await alice.send(`/approvals/${id}/decision`, { method: "POST", form, headers })
      assert.deepEqual(refusedAs(sent), [400, "invalid-request"])
      await assertWaits(id)
    })
  }

  test("from another site, from none, in a frame, by a script, and with the token of another page, person or action", async () => {
    const [id, second] = [await at.held(bot), await at.held(bot, { operation: "announce", arguments: {} })]
    const card = await alice.card(id)
    const { options } = await alice.options(card)
    const right = { form: card.form, locale: "en", decision: "approve", bounds: "", response: alice.answer(options) }
    const path = `/approvals/${id}/decision`
    const origins: Record<string, string>[] = [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: at.provider.issuer },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-dest": "iframe" },
      { "sec-fetch-dest": "empty" },
    ]
    for (const headers of origins) {
      const sent = await alice.send(path, { method: "POST", form: right, headers })
      assert.deepEqual(refusedAs(sent), [400, "invalid-request"], JSON.stringify(headers))
    }
    const others = [
      "",
      card.token,
      (await alice.card(second)).form,
      (await bob.card(await bobs())).form,
      formToken("guess", path),
    ]
    for (const form of others) {
      const sent = await alice.send(path, { method: "POST", form: { ...right, form } })
      assert.deepEqual(refusedAs(sent), [400, "invalid-request"], form)
    }
    const bare = await alice.send(path, { method: "POST", form: right, headers: { cookie: "" } })
    assert.equal(bare.status, 400)
    await assertWaits(id, second)
  })
})

/** A request that waits for Bob. */
async function bobs(): Promise<string> {
  return await at.held(await at.asking("bot", "bob"))
}

describe("a signature is good for exactly what was signed", () => {
  test("played again for another request, by another person, and for the other decision", async () => {
    const [one, alone] = [await at.held(await at.asking()), await at.held(await at.asking())]
    const card = await alice.card(one)
    const response = alice.answer((await alice.options(card)).options)
    const elsewhere = await alice.decide(await alice.card(alone), { decision: "approve", response })
    assert.equal(elsewhere.code, "passkey-invalid")
    const theirs = await bobs()
    const byBob = await bob.decide(await bob.card(theirs), { decision: "approve", response })
    assert.equal(byBob.code, "passkey-unknown")
    await assertWaits(one, alone, theirs)

    assert.equal((await alice.decide(card, { decision: "deny", response })).status, 303)
    assert.equal(await at.stateOf(one), "denied", "a signature beside a no does not turn it")
    assert.equal((await alice.decide(card, { decision: "approve", response })).code, "approval-over")
    assert.equal(await at.stateOf(one), "denied")

    const again = await alice.card(alone)
    const signed = alice.answer((await alice.options(again)).options)
    assert.equal((await alice.decide(again, { decision: "approve", response: signed })).status, 303)
    assert.equal((await alice.decide(again, { decision: "approve", response: signed })).code, "approval-over")
  })

  test("not for the card as it is in another language, for no card, nor with leave that was not on it", async () => {
    const own = await at.asking()
    await alice.approve(await at.held(own, { arguments: { employee: "E-9", amount: 10 } }))
    const id = await at.held(own, { arguments: { employee: "E-9", amount: 20 } })
    const card = await alice.card(id)
    const offered = boundsOf(card.html)
    const { options: exactly } = await alice.options(card)
    const { options: bounded } = await alice.options(card, { bounds: { ...offered, uses: 2 } })
    const { options: german } = await alice.options(card, { locale: "de" })
    const challenges = new Set([exactly, bounded, german].map(({ challenge }) => challenge))
    assert.equal(challenges.size, 3)
    const more = (uses: number) => JSON.stringify({ ...offered, uses })
    const [none, two] = [alice.answer(exactly), alice.answer(bounded)]
    const forged: Record<string, string>[] = [
      { response: none, locale: "de" },
      { response: alice.answer(german) },
      { response: none, bounds: more(2) },
      { response: two, bounds: more(5) },
      { response: two, bounds: JSON.stringify({ ...offered, uses: 2, session: "session_other" }) },
      { response: two },
    ]
    for (const fields of forged) {
      const sent = await alice.decide(card, { decision: "approve", ...fields })
      assert.equal(sent.code, "passkey-invalid", JSON.stringify(Object.keys(fields)))
    }
    const unknown = await alice.decide(card, { decision: "approve", response: none, locale: "fr" })
    assert.equal(unknown.code, "invalid-request")
    await assertWaits(id)
    assert.equal((await alice.decide(card, { decision: "approve", response: two, bounds: more(2) })).status, 303)
    const { rows } = await at.ground.ours.query("select uses from approvals.grants where request = $1", [id])
    assert.deepEqual(rows, [{ uses: 2 }])
  })

  test("of several on one card not for fewer, for more, or for others than were chosen", async () => {
    const own = await at.asking()
    const ids: string[] = []
    for (let nth = 0; nth < 3; nth++) ids.push(await at.held(own))
    const [one, two, three] = ids as [string, string, string]
    const card = await alice.card(one)
    assert.deepEqual(card.items.toSorted(), ids.toSorted(), "they stand on one card")
    const signed = async (items: string[]) => alice.answer((await alice.options(card, { items })).options)
    const swapped: [string[], string[]][] = [
      [[one], [two]],
      [[one], [one, two]],
      [[one, two], [one]],
      [
        [one, two],
        [one, three],
      ],
      [[one, two], ids],
    ]
    for (const [items, ticked] of swapped) {
      const sent = await alice.decide(card, { decision: "approve", response: await signed(items) }, ticked)
      assert.equal(sent.code, "passkey-invalid", JSON.stringify([items.length, ticked.length]))
    }
    const foreign = await at.held(await at.asking())
    const strange = await alice.decide(card, {
      decision: "approve",
      response: await signed([one]),
      [`item-${foreign}`]: "on",
    })
    assert.equal(strange.code, "invalid-request", "what the page does not show is not chosen on it")
    await assertWaits(...ids, foreign)
    assert.equal(
      (await alice.decide(card, { decision: "approve", response: await signed([one, two]) }, [one, two])).status,
      303,
    )
    assert.deepEqual(await Promise.all(ids.map(at.stateOf)), ["approved", "approved", "requested"])
  })

  test("not when the owner was not there, it was made for another site, or in another site's frame", async () => {
    const id = await at.held(await at.asking())
    const card = await alice.card(id)
    const { options } = await alice.options(card)
    const wrongs = [
      { isUserVerified: false },
      { isUserPresent: false },
      { origin: "http://localhost.evil.example" },
      { rpId: "evil.example" },
      { crossOrigin: true, topOrigin: "https://evil.example" },
      { type: "webauthn.create" },
      {
        signature: (bytes: Buffer) => Buffer.from(bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte))),
      },
    ]
    for (const wrong of wrongs) {
      const sent = await alice.decide(card, { decision: "approve", response: alice.answer(options, wrong) })
      assert.equal(sent.code, "passkey-invalid", Object.keys(wrong).join())
    }
    assert.equal(
      (await alice.decide(card, { decision: "approve" })).code,
      "proof-insufficient",
      "being signed in is no signature",
    )
    await assertWaits(id)
  })
})

describe("what proves one approval proves no other", () => {
  test("under its name, or with entries of it among its own", async () => {
    const own = await at.asking()
    const approved = async (amount: number) => {
      const id = await at.held(own, { arguments: { employee: "E-7", amount } })
      await alice.approve(id)
      await at.act(own, { arguments: { employee: "E-7", amount }, approval: id })
      const { bytes } = await at.ground.operator.send({ method: "GET", path: `/v1/approvals/${id}/evidence` })
      return { id, text: bytes.toString("utf8") }
    }
    const [one, two] = [await approved(7_001), await approved(7_002)]
    const verify = (text: string) => verifyApproval(text, [at.ground.logKey])
    assert.deepEqual((await verify(one.text)).action.arguments, { employee: "E-7", amount: 7_001 })
    type Bundle = { approval: string; entries: { text: string }[] }
    const [first, second] = [one, two].map(({ text }) => JSON.parse(text) as Bundle) as [Bundle, Bundle]
    const eventOf = ({ text }: { text: string }) => (JSON.parse(text) as { event: string }).event
    const swapped = (event: string) => {
      const theirs = second.entries.find((each) => eventOf(each) === event)!
      return { ...first, entries: first.entries.map((each) => (eventOf(each) === event ? theirs : each)) }
    }
    const forged = [
      { ...second, approval: one.id },
      { ...first, entries: second.entries },
      ...["approvals.requested", "approvals.approved", "gate.action-begun"].map(swapped),
    ]
    for (const each of forged) await assert.rejects(verify(`${JSON.stringify(each)}\n`), { code: "not-verified" })
  })
})

/** What the card's page offers to leave to the agent. */
function boundsOf(html: string): { [name: string]: unknown } {
  const [, text = "{}"] = /data-bounds="([^"]*)"/.exec(html) ?? []
  return JSON.parse(text.replaceAll("&quot;", '"').replaceAll("&#34;", '"'))
}
