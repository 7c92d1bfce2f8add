import assert from "node:assert/strict"
import { test } from "node:test"
import { openTestSessions } from "../fixture.ts"

const olga = "spiffe://example.org/operator/olga"
const shop = { issuer: "https://id.shop.example", clientId: "safeconduct" }

test("providers are in force on every server with the epoch, and recorded", async () => {
  await using room = await openTestSessions()
  const other = await room.another()
  await room.audit.commit(room.sessions.replace(room.sessions.parse({ providers: { shop } }), olga))
  assert.equal(other.sessions.providers.find("shop"), null)
  await other.epoch.refresh()
  assert.equal(other.sessions.providers.find("shop")!.issuer, shop.issuer)
  const [entry] = await room.entries()
  assert.deepEqual(entry!.data, { purposes: [], providers: ["shop"], applications: [] })
  await room.audit.commit(room.sessions.replace(room.sessions.parse({}), olga))
  await other.epoch.refresh()
  assert.equal(other.sessions.providers.find("shop"), null)
})

test("a stored provider that does not parse is unknown: nobody signs in there", async () => {
  await using room = await openTestSessions()
  const odd = JSON.stringify({ ...shop, issuer: "http://id.shop.example" })
  await room.store.owner.query("insert into sessions.providers values ('odd', $1)", [odd])
  const { sessions } = await room.another()
  assert.equal(sessions.providers.find("odd"), null)
  const redirectUri = "https://safeconduct.example/sign-in/odd/callback"
  await assert.rejects(sessions.providers.beginSignIn({ provider: "odd", redirectUri }), { code: "provider-unknown" })
})
