import assert from "node:assert/strict"
import { test } from "node:test"
import { type RefusalCode, refusalCode, Secret } from "#kernel"
import { testKeyring } from "#testing"
import { openTestReach, type TestReach } from "../notices/reach.fixture.ts"
import { resealPeople } from "../people/index.ts"
import { channelSecret, resealChannelSecrets } from "./secrets.ts"

const by = "spiffe://example.org/operator/olga"
const webhook = { url: "https://hooks.example.org/a", network: "public" } as const
const whsec = `whsec_${Buffer.alloc(32, 7).toString("base64")}`

function refusedWith(code: RefusalCode) {
  return (error: unknown) => refusalCode(error) === code || assert.fail(String(error))
}
const hasSecret = async (reach: TestReach, channel: string) =>
  (await reach.channels.list()).find(({ name }) => name === channel)?.hasSecret

test("a secret is for the place that it was handed over for, and for no other", async () => {
  await using reach = await openTestReach()
  reach.part = { ...reach.part, webhook }
  assert.deepEqual([await hasSecret(reach, "webhook"), await hasSecret(reach, "push")], [false, null])
  await reach.channels.setSecret("webhook", new Secret(whsec), by)
  assert.equal(await hasSecret(reach, "webhook"), true)
  reach.part = { ...reach.part, webhook: { ...webhook, url: "https://evil.example/a" } }
  assert.equal(await hasSecret(reach, "webhook"), false)
  assert.equal(await channelSecret({ ...reach, database: reach.store.database }, "webhook", null), null)
  const moved = { ...reach.part.sms!, accountSid: "another" }
  reach.part = { ...reach.part, sms: moved }
  assert.equal(await hasSecret(reach, "sms"), false)
})

test("a secret is recorded without itself, rests sealed, and only for a channel that takes one", async () => {
  await using reach = await openTestReach()
  await assert.rejects(reach.channels.setSecret("webhook", new Secret(whsec), by), refusedWith("not-found"))
  await assert.rejects(reach.channels.setSecret("push", new Secret("x"), by), refusedWith("not-found"))
  await assert.rejects(reach.channels.setSecret("fax", new Secret("x"), by), refusedWith("not-found"))
  reach.part = { ...reach.part, webhook }
  await assert.rejects(reach.channels.setSecret("webhook", new Secret("x"), by), refusedWith("invalid-request"))
  await reach.channels.setSecret("webhook", new Secret(whsec), by)
  const entry = (await reach.entries("approvals.channel-secret-set")).at(-1)!
  assert.deepEqual([entry.by, entry.data], [by, { channel: "webhook" }])
  const rows = await reach.store.owner.query("select * from approvals.channel_secrets")
  for (const text of [whsec, whsec.slice(6), reach.sms.token]) assert.ok(!JSON.stringify(rows).includes(text))
})

test("servers that begin at once know push services by one key", async () => {
  await using reach = await openTestReach()
  const others = [await reach.another(), await reach.another()]
  const keys = await Promise.all([reach, ...others].map(({ channels }) => channels.pushKey()))
  assert.equal(new Set(keys).size, 1)
  assert.match(keys[0]!, /^B[\w-]{86}$/)
  assert.equal((await reach.entries("approvals.push-key-made")).length, 1)
  reach.part = { order: [], fallbackSeconds: 20 }
  assert.equal(await reach.channels.pushKey(), null)
})

test("with another key-encryption key everything is sealed anew, and is what it was", async () => {
  await using reach = await openTestReach()
  const user = await reach.person(reach.push.subscribe(), { kind: "email", address: "alice@example.org" })
  await reach.audit.commit(
    reach.people.wish(user, { locale: "de", quietHours: { from: "22:00", to: "07:00", timeZone: "Europe/Berlin" } }),
  )
  const sent = reach.people.offer(user, { kind: "sms", number: "+4930123456789" }, "https://safeconduct.example/")
  const offered = await sent
  const code = /\b\d{6}\b/.exec(reach.sms.caught.all.at(-1)!.body)![0]
  await reach.channels.pushKey()
  const { database } = reach.store
  const before = await reach.people.reach(user)
  const next = testKeyring()
  const both = {
    ...next,
    open: (at: string, text: string) => (next.isCurrent(text) ? next : reach.keyring).open(at, text),
  }
  // A token, a key, two contacts with a third and its code, and quiet hours.
  assert.deepEqual([await resealChannelSecrets(database, both), await resealPeople(database, both)], [2, 5])
  assert.deepEqual([await resealChannelSecrets(database, both), await resealPeople(database, both)], [0, 0])
  Object.assign(reach.keyring, { open: next.open, seal: next.seal, isCurrent: next.isCurrent })
  assert.deepEqual(await reach.people.reach(user), before)
  assert.equal(await reach.people.confirm(user, offered, code), true)
  assert.equal(await hasSecret(reach, "sms"), true)
})

test("erasing a person erases how they were reached", async () => {
  await using reach = await openTestReach()
  const user = await reach.person(reach.push.subscribe(), { kind: "email", address: "alice@example.org" })
  assert.deepEqual([await reach.people.forget(user, by), await reach.people.forget(user, by)], [2, 0])
  assert.deepEqual(await reach.people.reach(user), { locale: "en", quietHours: null, contacts: [] })
  const rows = await reach.store.owner.query("select from approvals.contacts")
  assert.equal(rows.length, 0)
})
