import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { softwarePasskey } from "@safeconduct/console/passkey"
import { newId } from "../server/src/kernel/index.ts"
import { type Asking, fetchWith, raise } from "./fixtures/ciba-ground.ts"
import type { Answer, Phone } from "./fixtures/phones.ts"
import { openSigningGround, type SigningGround } from "./fixtures/signing-ground.ts"

/** Pitfall 26, of approvals: what there is not is answered as what is somebody else's, to the last byte but for the id that was asked for. */
let at: SigningGround
let bot: Asking
let alice: Phone
let bob: Phone
/** A request that Alice is asked, of the same shape one that nobody is, and what both are called in an answer. */
let hers: string
const nobodys = newId("approval")

before(async () => {
  at = await openSigningGround()
  bot = await at.asking()
  alice = await at.phone("alice")
  bob = await at.phone("bob")
  hers = await at.held(bot)
})
after(() => at?.[Symbol.asyncDispose]())

const HEADERS = [
  "content-type",
  "cache-control",
  "content-security-policy",
  "location",
  "set-cookie",
  "www-authenticate",
]

/** Everything of an answer that tells something. */
function seenOf({ status, text, headers }: Pick<Answer, "status" | "text" | "headers">, ...ids: string[]): string {
  const told = HEADERS.map((name) => `${name}: ${headers.get(name)}`)
  return ids.reduce((seen, id) => seen.replaceAll(id, "ID"), [status, ...told, text].join("\n"))
}

async function assertAlike(what: string, ask: (id: string) => Promise<Answer>, ids: readonly string[]): Promise<void> {
  const seen = new Set<string>()
  for (const id of ids) seen.add(seenOf(await ask(id), id))
  assert.equal(seen.size, 1, `${what}: ${[...seen].join("\n---\n")}`)
  assert.match([...seen][0]!, /^(204|40[0134]|503)\n/, what)
}

test("pitfall 26: of a request, its card, its state, what would be signed and every decision", async () => {
  const card = async (id: string) => await bob.card(id)
  const ways: { [what: string]: (id: string) => Promise<Answer> } = {
    page: (id) => bob.send(`/approvals/${id}`),
    "page in German": (id) => bob.send(`/approvals/${id}?language=de`),
    state: (id) => bob.send(`/approvals/${id}/state`),
    challenge: async (id) => {
      const { token } = await card(id)
      const json = { form: token, locale: "en", items: [id], bounds: null }
      return await bob.send(`/approvals/${id}/challenge`, { method: "POST", json })
    },
    "without a cookie": (id) => bob.send(`/approvals/${id}/state`, { headers: { cookie: "" } }),
  }
  for (const decision of ["approve", "deny", "report", "step-up"]) {
    ways[decision] = async (id) => bob.decide(await card(id), { decision })
  }
  for (const [what, ask] of Object.entries(ways)) await assertAlike(what, ask, [hers, nobodys])
  assert.equal(await at.stateOf(hers), "requested")
})

test("of a request to another agent, by its own route and by CIBA's", async () => {
  const twin = await at.asking()
  const overMutualTls = async (path: string, body?: string) => {
    const type = { "content-type": "application/x-www-form-urlencoded" }
    const init = body === undefined ? {} : { method: "POST", headers: type, body }
    const answer = await fetchWith(twin.identity, new URL(path, at.one.agentsUrl), init)
    return { status: answer.status, headers: answer.headers, text: await answer.text(), code: null }
  }
  const { json } = await bot.form("/oauth2/token", {
    grant_type: "client_credentials",
    safeconduct_session: bot.session.id,
  })
  const asked = { scope: "openid", login_hint_token: String(json["access_token"]), authorization_details: raise(9_001) }
  const { json: began } = await bot.form("/oauth2/bc-authorize", asked)
  const authReqId = String(began["auth_req_id"])
  assert.ok(authReqId.length > 20)
  const poll = (id: string) => {
    const form = { grant_type: "urn:openid:params:grant-type:ciba", auth_req_id: id }
    return overMutualTls("/oauth2/token", new URLSearchParams(form).toString())
  }
  await assertAlike("poll", poll, [authReqId, authReqId.replaceAll(/[A-Za-z]/g, "x")])
  await assertAlike("look", (id) => overMutualTls(`/v1/approvals/${id}`), [hers, nobodys])
  await assertAlike("evidence", (id) => overMutualTls(`/v1/approvals/${id}/evidence`), [hers, nobodys])
  await assertAlike("session", (id) => overMutualTls(`/v1/sessions/${id}`), [bot.session.id, newId("session")])
  const hint = (id: string) => {
    const form = { scope: "openid", login_hint: id, authorization_details: raise(1) }
    return overMutualTls("/oauth2/bc-authorize", new URLSearchParams(form).toString())
  }
  // Bob is known here, and nobody's agent acts for him; Alice's name is one at her provider, Olga was never here.
  const known = await at.userOf("bob")
  await assertAlike("hint", hint, [known, newId("user"), "alice", "olga", "zoe", bot.session.id, newId("session")])
})

test("of a key, a passkey's name, leave, a place in a group, and a device's receipt", async () => {
  const id = await at.held(await at.asking("bot", "bob"))
  const card = await bob.card(id)
  const { options } = await bob.options(card)
  const stranger = softwarePasskey()
  const answers = [alice.passkey, stranger].map((key) => ({
    key,
    response: JSON.stringify(key.get(options, at.issuer)),
  }))
  const byKey = (key: string) => {
    const { response } = answers.find((each) => each.key.id === key)!
    return bob.decide(card, { decision: "approve", response })
  }
  await assertAlike("key", byKey, [alice.passkey.id, stranger.id])

  const { rows } = await at.ground.ours.query("select id from approvals.passkeys where user_id = $1", [
    await at.userOf("alice"),
  ])
  const passkey = String(rows[0].id)
  const posted =
    (path: (id: string) => string, more: { [name: string]: string } = {}) =>
    (each: string) =>
      bob.send(path(each), { method: "POST", form: { form: bob.tokenOf(path(each)), ...more } })
  const revoking = posted((each) => `/me/passkeys/${each}/revocation`)
  await assertAlike("revoke a passkey", revoking, [passkey, newId("passkey")])
  const naming = posted((each) => `/me/passkeys/${each}/name`, { label: "Mine" })
  await assertAlike("name a passkey", naming, [passkey, newId("passkey")])
  assert.deepEqual((await alice.approve(hers)).status, 303, "hers is as it was")

  const notice = async (person: string) => {
    const found = await at.ground.ours.query("select id from approvals.notices where user_id = $1", [
      await at.userOf(person),
    ])
    return String(found.rows[0].id)
  }
  const receipt = (each: string) =>
    bob.send(`/approvals/notices/${each}/receipt`, { method: "POST", headers: { cookie: "" } })
  await assertAlike("receipt", receipt, [await notice("alice"), await notice("bob"), newId("notice"), "x"])
})

test("of whom a provider's back end would have us ask", async () => {
  const bearerOf = (sub: string) => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
    const exp = Math.floor(Date.now() / 1_000) + 60
    return `${part({ alg: "RS256", kid: "x" })}.${part({ iss: at.provider.issuer, sub, exp })}.${"A".repeat(342)}`
  }
  for (const path of ["ciba-channel", "ciba-ping"]) {
    for (const provider of ["shop", "nowhere"]) {
      const told = (sub: string) =>
        bob.send(`/sign-in/${provider}/${path}`, {
          method: "POST",
          headers: { cookie: "", authorization: `Bearer ${bearerOf(sub)}` },
          json: { binding_message: "AAA-AAA", auth_req_id: "x", login_hint: sub },
        })
      await assertAlike(`${provider} ${path}`, told, ["alice", "nobody"])
    }
  }
})
