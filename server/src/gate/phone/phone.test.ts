import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { type Approval, cardDigest, renderCard } from "#approvals"
import { type RefusalCode, refusalCode } from "#kernel"
import { fieldsOf, issuer } from "../consent/fixture.ts"
import { formToken } from "../consent/form.ts"
import { setAgentState } from "../stop.ts"
import { dataOf, openTestPhone, shop, signed, type TestPerson, type TestPhone } from "./phone.fixture.ts"

let phone: TestPhone
before(async () => {
  phone = await openTestPhone()
})
after(() => phone[Symbol.asyncDispose]())

const refusedWith = (code: RefusalCode) => (error: unknown) => refusalCode(error) === code || assert.fail(String(error))
const decision = (id: string) => `/approvals/${id}/decision`
const say = async ({ browser }: TestPerson, id: string, change: { [field: string]: string }) => {
  const { text } = await browser.get(`/approvals/${id}`)
  const { decision: _, ...fields } = fieldsOf(text)
  return await browser.post(decision(id), { ...fields, ...change })
}

describe("somebody at their phone", () => {
  test("who is not signed in signs in, and comes back to the card", async () => {
    const { user } = await phone.person({ sub: "comes-back" })
    const { id } = await phone.ask(user)
    const browser = phone.at.browser()
    phone.at.next.person = { ...shop, sub: "comes-back", authTimeMs: null }
    const { location } = await browser.get(`/approvals/${id}`)
    const state = new URL(location!).searchParams.get("state")
    const back = await browser.get(`/sign-in/shop/callback?state=${state}&code=c`)
    assert.equal(back.location, `${issuer}/approvals/${id}`)
    assert.match((await browser.get(`/approvals/${id}`)).text, /Raise <bdi>E-7<\/bdi>/)
    assert.ok(![...browser.cookies.keys()].some((name) => name.includes("after")), "it is forgotten")
  })

  test("who is not signed in is led nowhere by what is no page", async () => {
    const browser = phone.at.browser()
    for (const id of ["a\u202eb", "A B", "x".repeat(100), "..;"]) {
      await assert.rejects(browser.get(`/approvals/${encodeURIComponent(id)}`), refusedWith("not-found"))
    }
  })

  test("is led to no place of another's after signing in", async () => {
    for (const place of [
      "//evil.example",
      "/approvals/..%2f",
      "https://evil.example/",
      "/oauth2/authorize",
      "/approvals/a/b",
    ]) {
      const browser = phone.at.browser()
      phone.at.next.person = { ...shop, sub: "led", authTimeMs: null }
      const { location } = await browser.get("/approvals")
      const name = [...browser.cookies.keys()].find((each) => each.includes("after"))!
      browser.cookies.set(name, place)
      const state = new URL(location!).searchParams.get("state")
      assert.equal((await browser.get(`/sign-in/shop/callback?state=${state}&code=c`)).location, `${issuer}/me`, place)
    }
  })

  test("sees what waits, signs it with a passkey, and the agent may do it once", async () => {
    const alice = await phone.person()
    const held = await phone.ask(alice.user)
    const inbox = await alice.browser.get("/approvals")
    assert.match(inbox.text, new RegExp(`href="/approvals/${held.id}"`))
    const { form, statements } = await signed(alice, held.id)
    const statement = JSON.parse(statements[0]!)
    assert.equal(statement.card.digest, cardDigest(renderCard(held.facts!, "en")))
    assert.equal(statement.approver, alice.user.id)
    const { status, location } = await alice.browser.post(decision(held.id), form)
    assert.deepEqual([status, location], [303, `${issuer}/approvals/${held.id}`])
    assert.equal(await phone.stateOf(held), "approved")
    assert.equal(await phone.use(held), "allow")
    const { text } = await alice.browser.get(`/approvals/${held.id}`)
    assert.match(text, /<h1>Approved<\/h1>[\s\S]*You approved it\.[\s\S]*It was done\./)
    assert.doesNotMatch(text, /<form/)
    assert.match((await alice.browser.get("/approvals")).text, /Nothing waits for you/)
    assert.match((await alice.browser.get("/approvals/history")).text, new RegExp(held.id))
  })

  test("signs what they read, in their language", async () => {
    const alice = await phone.person()
    const held = await phone.ask(alice.user)
    const { form, statements } = await signed(alice, held.id, { language: "de" })
    const { card } = JSON.parse(statements[0]!)
    assert.deepEqual([card.locale, card.digest], ["de", cardDigest(renderCard(held.facts!, "de"))])
    await assert.rejects(
      alice.browser.post(decision(held.id), { ...form, locale: "en" }),
      refusedWith("passkey-invalid"),
    )
    assert.equal(await phone.stateOf(held), "requested")
    assert.equal((await alice.browser.post(decision(held.id), form)).status, 303)
    assert.match((await alice.browser.get(`/approvals/${held.id}`)).text, /<html lang="de">[\s\S]*Zugestimmt/)
  })

  test("approves with a tap where that is enough, and not where it is not", async () => {
    const alice = await phone.person({ hasPasskey: false })
    const look = await phone.ask(alice.user, "look", {})
    assert.match((await alice.browser.get(`/approvals/${look.id}`)).text, /value="approve">Approve once/)
    assert.equal((await say(alice, look.id, { decision: "approve" })).status, 303)
    assert.equal(await phone.stateOf(look), "approved")
    const raise = await phone.ask(alice.user)
    const { text } = await alice.browser.get(`/approvals/${raise.id}`)
    assert.match(text, /href="\/me\/passkeys">Add a passkey/)
    assert.doesNotMatch(text, /<button [^>]*value="approve"/)
    await assert.rejects(say(alice, raise.id, { decision: "approve" }), refusedWith("proof-insufficient"))
    assert.equal(await phone.stateOf(raise), "requested")
  })

  test("takes more time with one tap, which decides nothing, and signs what is so then", async () => {
    const alice = await phone.person()
    const held = await phone.ask(alice.user)
    const early = await signed(alice, held.id)
    const page = await alice.browser.get(`/approvals/${held.id}`)
    assert.match(page.text, /<button [^>]*value="more-time"[^>]*>I need more time<\/button>/)
    const { status, location } = await say(alice, held.id, { decision: "more-time" })
    assert.deepEqual([status, location], [303, `${issuer}/approvals/${held.id}`])
    assert.equal(await phone.stateOf(held), "requested")
    const left = Number(dataOf((await alice.browser.get(`/approvals/${held.id}`)).text, "left"))
    assert.ok(left > 300 && left <= 600, String(left))
    // What was signed before was signed of another time.
    await assert.rejects(alice.browser.post(decision(held.id), early.form), refusedWith("passkey-invalid"))
    const { form, statements } = await signed(alice, held.id)
    assert.equal(Date.parse(JSON.parse(statements[0]!).expiresAt) - held.expiresAt.getTime(), 300_000)
    await alice.browser.post(decision(held.id), form)
    assert.equal(await phone.use(held), "allow")
    await assert.rejects(
      alice.browser.post(decision(held.id), {
        form: formToken(cookieOf(alice), decision(held.id)),
        decision: "more-time",
        locale: "en",
      }),
      refusedWith("approval-over"),
    )
  })

  test("offers no more time where there is none", async () => {
    const alice = await phone.person()
    const held = await phone.ask(alice.user)
    const { backchannel } = phone.at.rooms.approvals
    await backchannel.ask({ agent: held.agent, instance: held.instance }, held.id, null)
    assert.doesNotMatch((await alice.browser.get(`/approvals/${held.id}`)).text, /value="more-time"/)
    await assert.rejects(say(alice, held.id, { decision: "more-time" }), refusedWith("approval-over"))
  })

  test("denies with one tap, without a passkey, and the agent is told no", async () => {
    const alice = await phone.person({ hasPasskey: false })
    const held = await phone.ask(alice.user)
    assert.equal((await say(alice, held.id, { decision: "deny" })).status, 303)
    assert.equal(await phone.stateOf(held), "denied")
    assert.equal(await phone.use(held), "deny")
    await assert.rejects(
      alice.browser.post(decision(held.id), {
        form: formToken(cookieOf(alice), decision(held.id)),
        decision: "approve",
        locale: "en",
      }),
      refusedWith("approval-over"),
    )
  })

  test("decides nothing by looking, however the card is fetched", async () => {
    const alice = await phone.person()
    const held = await phone.ask(alice.user)
    for (const path of [`/approvals/${held.id}`, "/approvals", `/approvals/${held.id}/state`])
      await alice.browser.get(path)
    await assert.rejects(alice.browser.get(decision(held.id)), /no route GET/)
    const unseen = [
      { "sec-purpose": "prefetch" },
      { purpose: "prefetch" },
      { "sec-fetch-dest": "iframe" },
      { "sec-fetch-dest": "empty" },
    ]
    for (const headers of unseen) {
      await assert.rejects(alice.browser.get(`/approvals/${held.id}`, headers as never), refusedWith("invalid-request"))
    }
    assert.equal(await phone.stateOf(held), "requested")
  })

  test("has not seen what another site led their browser to: other channels go on", async () => {
    const alice = await phone.person()
    const held = await phone.ask(alice.user)
    const sql = "select state from approvals.notices where request = $1"
    const state = async () => (await phone.at.gate.store.owner.query<{ state: string }>(sql, [held.id]))[0]!.state
    for (const path of ["/approvals", `/approvals/${held.id}`]) {
      await alice.browser.get(path, { "sec-fetch-site": "cross-site" })
      assert.notEqual(await state(), "seen", path)
    }
    await alice.browser.get(`/approvals/${held.id}`)
    assert.equal(await state(), "seen")
  })
})

describe("a decision is refused", () => {
  let alice: TestPerson
  before(async () => {
    alice = await phone.person()
  })

  test("when the form is none of ours, or of another card's page", async () => {
    const [one, two] = [await phone.ask(alice.user), await phone.ask(alice.user)]
    const fields = { decision: "deny", locale: "en" }
    const token = (path: string) => formToken(cookieOf(alice), path)
    const forged = [
      { form: "guess" },
      { form: token(decision(two.id)) },
      { form: token(`/approvals/${one.id}/challenge`) },
    ]
    for (const form of forged) {
      await assert.rejects(alice.browser.post(decision(one.id), { ...fields, ...form }), refusedWith("invalid-request"))
    }
    const right = { ...fields, form: token(decision(one.id)) }
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: issuer, "sec-fetch-site": "cross-site" },
      {},
    ]) {
      await assert.rejects(
        alice.browser.post(decision(one.id), right, headers as never),
        refusedWith("invalid-request"),
      )
    }
    assert.equal(await phone.stateOf(one), "requested")
  })

  test("by anybody else, who learns nothing of it", async () => {
    const held = await phone.ask(alice.user)
    const eve = await phone.person()
    const none = held.id.replace(/.$/, (last) => (last === "0" ? "1" : "0"))
    for (const id of [held.id, none]) {
      for (const path of [`/approvals/${id}`, `/approvals/${id}/state`]) {
        await assert.rejects(eve.browser.get(path), refusedWith("approval-unknown"), path)
      }
      const form = { form: formToken(cookieOf(eve), decision(id)), decision: "approve", locale: "en" }
      await assert.rejects(eve.browser.post(decision(id), form), refusedWith("approval-unknown"))
    }
    assert.doesNotMatch((await eve.browser.get("/approvals")).text, /approval_/)
    assert.doesNotMatch((await eve.browser.get("/approvals/history")).text, /approval_/)
  })

  test("when the signature is over another request, of another's passkey, or none", async () => {
    const [one, two] = [await phone.ask(alice.user), await phone.ask(alice.user)]
    const { form } = await signed(alice, two.id)
    const { form: own } = await signed(alice, one.id)
    const bob = await phone.person()
    const bobs = await phone.ask(bob.user)
    const { form: theirs } = await signed(bob, bobs.id)
    const wrong: [string, RefusalCode][] = [
      [form["response"]!, "passkey-invalid"],
      [theirs["response"]!, "passkey-unknown"],
      ["{}", "passkey-invalid"],
      ["{", "malformed-json"],
    ]
    for (const [response, code] of wrong) {
      await assert.rejects(
        alice.browser.post(decision(one.id), { ...own, response }),
        refusedWith(code),
        response.slice(0, 40),
      )
    }
    assert.equal(await phone.stateOf(one), "requested")
  })

  test("when it is decided already, by another window at the same time", async () => {
    const held = await phone.ask(alice.user)
    const { form } = await signed(alice, held.id)
    const tries = Array.from({ length: 8 }, (_, nth) =>
      alice.browser.post(decision(held.id), nth % 2 === 0 ? form : { ...form, decision: "deny", response: "" }).then(
        ({ status }) => status,
        (error: unknown) => refusalCode(error),
      ),
    )
    const answers = await Promise.all(tries)
    assert.equal(answers.filter((answer) => answer === 303).length, 1, answers.join())
    assert.ok(
      answers.every((answer) => answer === 303 || answer === "approval-over"),
      answers.join(),
    )
  })

  test("about what the page does not show, or about nothing", async () => {
    const [one, two] = [await phone.ask(alice.user), await phone.ask(alice.user)]
    const { text } = await alice.browser.get(`/approvals/${one.id}`)
    for (const items of [[two.id], [one.id, two.id]]) {
      const asking = { form: dataOf(text, "token"), locale: "en", bounds: null, items }
      await assert.rejects(
        alice.browser.post(dataOf(text, "challenge"), asking as never),
        refusedWith("invalid-request"),
      )
    }
  })

  test("about another request than those that were ticked when the page was drawn, whatever came or went since", async () => {
    const person = await phone.person()
    const one = await phone.ask(person.user, "look", { nth: 1 })
    const alone = await person.browser.get(`/approvals/${one.id}`)
    const two = await phone.ask(person.user, "look", { nth: 2 })
    await join(one, two)
    const { text } = await person.browser.get(`/approvals/${one.id}`)
    assert.match(text, /name="several"[\s\S]*item-/)
    // A page with one card is about that one.
    assert.equal(
      (await person.browser.post(decision(one.id), { ...plain(alone.text), decision: "approve" })).status,
      303,
    )
    assert.deepEqual([await phone.stateOf(one), await phone.stateOf(two)], ["approved", "requested"])

    const three = await phone.ask(person.user, "look", { nth: 3 })
    await join(two, three)
    const both = await person.browser.get(`/approvals/${two.id}`)
    const { [`item-${two.id}`]: _, ...ticked } = plain(both.text)
    assert.deepEqual(
      Object.keys(ticked).filter((name) => name.startsWith("item-")),
      [`item-${three.id}`],
    )
    const { [`item-${two.id}`]: ___, ...other } = plain((await person.browser.get(`/approvals/${three.id}`)).text)
    assert.equal((await person.browser.post(decision(three.id), { ...other, decision: "deny" })).status, 303)
    // The one that was ticked is gone; the one that was not is not taken in its place.
    for (const said of ["approve", "deny"]) {
      const sent = { ...ticked, decision: said }
      await assert.rejects(person.browser.post(decision(two.id), sent), refusedWith("invalid-request"), said)
    }
    const { [`item-${three.id}`]: __, ...none } = ticked
    await assert.rejects(
      person.browser.post(decision(two.id), { ...none, decision: "deny" }),
      refusedWith("invalid-request"),
    )
    assert.equal(await phone.stateOf(two), "requested")
  })

  test("about what was chosen before more time was taken: a tick that was taken away stays away", async () => {
    const person = await phone.person()
    const one = await phone.ask(person.user, "look", { nth: 1 })
    const two = await phone.ask(person.user, "look", { nth: 2 })
    await join(one, two)
    const { text } = await person.browser.get(`/approvals/${one.id}`)
    const { [`item-${two.id}`]: _, ...ticked } = plain(text)
    const { location } = await person.browser.post(decision(one.id), { ...ticked, decision: "more-time" })
    const again = await person.browser.get(location!.slice(issuer.length))
    const isTicked = ({ id }: Approval) => new RegExp(`name="item-${id}"[^>]* checked>`).test(again.text)
    assert.deepEqual([isTicked(one), isTicked(two)], [true, false])
    assert.match(again.text, new RegExp(`name="item-${two.id}"`))
    const { location: all } = await person.browser.post(decision(one.id), { ...plain(text), decision: "more-time" })
    assert.equal(all, `${issuer}/approvals/${one.id}`)
  })

  test("when nobody is signed in any more", async () => {
    const held = await phone.ask(alice.user)
    const gone = await phone.person()
    const mine = await phone.ask(gone.user)
    const { form } = await signed(gone, mine.id)
    await phone.at.rooms.audit.commit(phone.at.rooms.sessions.browsers.signOut(cookieOf(gone)))
    await assert.rejects(gone.browser.post(decision(mine.id), form), refusedWith("login-required"))
    assert.equal(await phone.stateOf(mine), "requested")
    assert.equal(await phone.stateOf(held), "requested")
  })
})

describe("the agent's words on a card", () => {
  test("are text, whatever they are", async () => {
    const alice = await phone.person()
    const held = await phone.ask(alice.user, "raise", {
      employee: `</h1><script>alert(1)</script>{amount}\u202e`,
      amount: "5\u0001200",
      'x" onload="': ["<img src=x>"],
    })
    const { text, headers } = await alice.browser.get(`/approvals/${held.id}`)
    assert.doesNotMatch(text, /<script>|<img|\u202e|\u0001| onload="/)
    assert.match(text, /&lt;\/h1&gt;&lt;script&gt;alert\(1\)&lt;\/script&gt;\{amount\}\[U\+202E\]/)
    assert.match(
      headers.get("content-security-policy")!,
      /^default-src 'none';.*script-src 'self';.*frame-ancestors 'none'/,
    )
    const json = /<pre data-action>([^<]*)<\/pre>/.exec(text)![1]!
    const read = JSON.parse(
      json.replaceAll("&quot;", '"').replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"),
    )
    assert.deepEqual(read.arguments, held.action!.arguments, "everything, as it is signed")
    assert.match(json, /^[\n\x20-\x7e]*$/)
  })
})

test("what was refused together can be reported from its page, and nothing else be said of it", async () => {
  const alice = await phone.person()
  const held = await phone.ask(alice.user)
  await phone.at.gate.store.owner.query(
    "update approvals.requests set state = 'withdrawn', reason = 'bulk', decided_at = now() where id = $1",
    [held.id],
  )
  const { text } = await alice.browser.get(`/approvals/${held.id}`)
  assert.match(text, /Refused: too many of one kind at once/)
  assert.match((await alice.browser.get("/approvals/history")).text, /Refused: too many of one kind at once/)
  const { decision: _, ...fields } = fieldsOf(text)
  for (const said of ["approve", "deny"]) {
    const sent = { ...fields, decision: said }
    await assert.rejects(alice.browser.post(decision(held.id), sent), refusedWith("approval-over"), said)
  }
  const { status } = await alice.browser.post(decision(held.id), { ...fields, decision: "report" })
  assert.equal(status, 303)
  assert.equal(await phone.stateOf(held), "reported")
  const after = await alice.browser.get(`/approvals/${held.id}`)
  assert.match(after.text, /Denied and reported/)
  assert.doesNotMatch(after.text, /value="report"/)
  await setAgentState(phone.at.rooms, phone.at.gate.operator, "bot", "active", "test")
})

describe("an open page", () => {
  test("learns that something changed, and a page of another site does not", async () => {
    const alice = await phone.person()
    const state = async (path: string, headers = {}) => JSON.parse((await alice.browser.get(path, headers)).text).state
    const empty = await state("/approvals/state")
    const held = await phone.ask(alice.user)
    assert.notEqual(await state("/approvals/state"), empty)
    assert.equal(dataOf((await alice.browser.get("/approvals")).text, "known"), await state("/approvals/state"))
    assert.equal(await state(`/approvals/${held.id}/state`), "requested")
    await say(alice, held.id, { decision: "deny" })
    assert.equal(await state(`/approvals/${held.id}/state`), "said")
    assert.equal(await state("/approvals/state"), empty)
    for (const site of ["cross-site", "same-site", "none"]) {
      await assert.rejects(
        alice.browser.get("/approvals/state", { "sec-fetch-site": site }),
        refusedWith("invalid-request"),
      )
    }
    await assert.rejects(phone.at.browser().get("/approvals/state"), refusedWith("login-required"))
  })
})

function cookieOf({ browser }: TestPerson): string {
  return [...browser.cookies].find(([name]) => name.includes("signed-in"))![1]
}

/** What a form sends but for its decision. */
function plain(text: string): { [field: string]: string } {
  const { decision: _, ...fields } = fieldsOf(text)
  return fields
}

/** Puts a request on the card of another. */
async function join(first: Approval, other: Approval): Promise<void> {
  const sql =
    "update approvals.requests set bundle = (select bundle from approvals.requests where id = $1) where id = $2"
  await phone.at.gate.store.owner.query(sql, [first.id, other.id])
}
