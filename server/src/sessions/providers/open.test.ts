import assert from "node:assert/strict"
import { test } from "node:test"
import { openKeyring, type Route } from "#kernel"
import { agent } from "../fixture.ts"
import { clientSecret, openTestProviders, redirectUri } from "./fixture.ts"
import { providerRoutes, resealProviders } from "./index.ts"
import { idClaims, startFakeProvider } from "./provider.fixture.ts"

const olga = "spiffe://example.org/operator/olga"
const byPost = { clientAuthentication: "client_secret_post" }

test("a secret rests sealed, and the entry says for whom it is and nothing of it", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, ...byPost })
  await ours.providers.setSecret("shop", clientSecret, olga)
  const [entry] = (await ours.room.entries()).slice(-1)
  assert.deepEqual(entry, {
    event: "sessions.provider-secret-set",
    by: olga,
    data: { provider: "shop", issuer: fake.issuer, client: "safeconduct" },
  })
  const rows = JSON.stringify(await ours.room.store.owner.query("select * from sessions.provider_secrets"))
  const log = JSON.stringify(await ours.room.entries())
  assert.doesNotMatch(rows + log, /a-secret/)
  await assert.rejects(ours.providers.setSecret("typo", clientSecret, olga), { code: "provider-unknown" })
})

test("a sealed secret that somebody moved to another provider or issuer does not open", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, ...byPost })
  await ours.providers.setSecret("shop", clientSecret, olga)
  await using other = await startFakeProvider()
  ours.configure({ shop: { issuer: other.issuer, ...byPost } })
  // Whoever writes the database leads the secret to their own issuer.
  await ours.room.store.owner.query("update sessions.provider_secrets set issuer = $1", [other.issuer])
  const begin = ours.providers.beginSignIn({ provider: "shop", redirectUri: "https://safeconduct.example/x" })
  await assert.rejects(begin, { code: "key-unusable" })
})

test("secrets are sealed anew by the next key-encryption key, which then opens them alone", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, ...byPost })
  await ours.providers.setSecret("shop", clientSecret, olga)
  const { database } = ours.room.store
  const next = openKeyring(Buffer.alloc(32, 9))
  const sealed = async () => {
    const [row] = await database.query<{ sealed: string }>("select sealed from sessions.provider_secrets")
    return row!.sealed
  }
  const both = {
    ...next,
    open: (context: string, value: string) => (next.isCurrent(value) ? next : ours.keyring).open(context, value),
  }
  const reseal = () => resealProviders(database, both as never)
  assert.deepEqual([await reseal(), await reseal()], [1, 0])
  const context = `sessions.provider_secrets/${JSON.stringify(["shop", fake.issuer, "safeconduct"])}`
  assert.equal(next.open(context, await sealed()).toString(), clientSecret.reveal())
})

test("operators see how each provider is configured and whether it answers; agents see nothing", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, ...byPost })
  ours.configure({ shop: { issuer: fake.issuer, ...byPost }, gone: { issuer: "http://127.0.0.1:9/" } })
  const [list, put] = providerRoutes(ours.providers) as unknown as [Route<unknown>, Route<unknown>]
  const caller = { kind: "operator", spiffeId: olga }
  const shown = async () => {
    const answer = (await list.handle({ caller } as never)) as { providers: Record<string, unknown>[] }
    // What the interface promises is what it gives.
    list.answer!.parse(answer)
    return answer.providers.map(({ name, problem, supports, hasSecret }) => ({ name, problem, supports, hasSecret }))
  }
  const [shop, gone] = await shown()
  assert.match(String(shop!.problem), /not handed over/)
  assert.deepEqual([shop!.hasSecret, gone!.hasSecret, gone!.supports], [false, null, null])
  assert.match(String(gone!.problem), /no answer/)
  const body = put.body!.parse({ secret: "s" })
  await put.handle({ caller, params: { name: "shop" }, body } as never)
  assert.deepEqual([(await shown())[0]!.problem, (await shown())[0]!.hasSecret], [null, true])
  await assert.rejects(async () => await list.handle({ caller: agent() } as never), { code: "wrong-role" })
  for (const wrong of [{}, { secret: "" }, { secret: 7 }, { secret: "s", more: 1 }])
    assert.throws(() => put.body!.parse(wrong))
})

test("what was discovered is forgotten with the configuration that it was discovered by", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const discover = () => ours.providers.list()
  const count = () => fake.count("/.well-known/openid-configuration")
  await discover()
  await discover()
  assert.equal(count(), 1)
  ours.configure({ shop: { issuer: fake.issuer, scopes: ["openid", "email"] } })
  await discover()
  assert.equal(count(), 2)
  ours.configure({})
  assert.deepEqual(await discover(), [])
  assert.equal(ours.providers.find("shop"), null)
  assert.equal(ours.providers.find("constructor"), null)
})

test("what a provider said is worth nothing when its configuration changed while it was asked", async () => {
  await using fake = await startFakeProvider()
  const rules = { agents: { "agent-7": "support-bot" } }
  await using ours = await openTestProviders({ issuer: fake.issuer, delegatedTokens: rules })
  const type = "urn:ietf:params:oauth:token-type:id_token"
  const token = await fake.sign(idClaims(fake))
  fake.answers.set("/jwks", () => {
    ours.configure({ shop: { issuer: fake.issuer } })
    return { body: fake.jwks }
  })
  await assert.rejects(ours.providers.verifySubjectToken({ token, type }), { code: "epoch-changed" })
  await ours.providers.verifySubjectToken({ token, type })
  const { pending } = await ours.providers.beginSignIn({ provider: "shop", redirectUri })
  const id_token = await fake.sign(idClaims(fake, { nonce: pending.nonce }))
  fake.answers.set("/token", () => {
    ours.configure({})
    return { body: { access_token: "a", token_type: "Bearer", id_token } }
  })
  const url = new URL(`${redirectUri}?${new URLSearchParams({ code: "c", state: pending.state, iss: fake.issuer })}`)
  await assert.rejects(ours.providers.finishSignIn(pending, url), { code: "provider-unknown" })
})
