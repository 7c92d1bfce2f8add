import assert from "node:assert/strict"
import { createPublicKey, type KeyObject } from "node:crypto"
import { test } from "node:test"
import { type Database, type Epoch, generateKey, refusalCode, sha256 } from "#kernel"
import { bot, by, enrolAgent, enrolWith, register, testDeployment } from "./fixture.ts"
import { newSigningRequest } from "./index.ts"

const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code
const HOUR_MS = 3_600_000

/** As whoever checked a proof by that key knows it. */
function proven(privateKey: KeyObject) {
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" })
  return { jkt: "jkt", keyThumbprint: sha256(spki).toString("base64url") }
}

test("an enrolled key is its agent's instance, with its newest SVID", async () => {
  await using deployment = await testDeployment()
  const one = await deployment.serve()
  await register(one, { "support-bot": bot })
  const holder = await enrolAgent(one, "support-bot")
  const first = await one.agents.identifyKey(proven(holder.privateKey))
  const byCertificate = await one.agents.identify(holder.chain)
  assert.deepEqual(first, { ...byCertificate, confirmation: { jkt: "jkt" }, notAfterMs: first.notAfterMs })
  // The database keeps more digits than a certificate.
  assert.ok(Math.abs(first.notAfterMs - byCertificate.notAfterMs) < 1_000)
  const two = await deployment.serve()
  assert.equal((await two.agents.identifyKey(proven(holder.privateKey))).instance, holder.instance)
})

test("a key that is not enrolled, and an operator's, is nobody's", async () => {
  await using deployment = await testDeployment()
  const one = await deployment.serve()
  await register(one, { "support-bot": bot })
  await assert.rejects(one.agents.identifyKey(proven(generateKey().privateKey)), refusesWith("identity-unknown"))
  const { token } = await one.agents.createJoinToken({ kind: "operator", name: "olga", roles: ["admin"] }, by)
  const olga = await enrolWith(one.agents, token.reveal())
  await assert.rejects(one.agents.identifyKey(proven(olga.privateKey)), refusesWith("identity-unknown"))
})

test("a key whose SVID has expired is good for its renewal for a day, and then for nothing", async () => {
  await using deployment = await testDeployment()
  const clock = { aheadMs: 0, nowMs: () => Date.now() + clock.aheadMs }
  const one = await deployment.serve({ clock })
  await register(one, { "support-bot": bot })
  const holder = await enrolAgent(one, "support-bot")
  const key = proven(holder.privateKey)
  clock.aheadMs = HOUR_MS + 60_000
  await assert.rejects(one.agents.identifyKey(key), refusesWith("svid-expired"))
  const late = await one.agents.identifyKey(key, { forRenewal: true })
  clock.aheadMs = 25 * HOUR_MS + 60_000
  await assert.rejects(one.agents.identifyKey(key, { forRenewal: true }), refusesWith("svid-expired"))
  clock.aheadMs = 2 * HOUR_MS
  await one.agents.renew(late, newSigningRequest(holder.privateKey))
  assert.notEqual((await one.agents.identifyKey(key)).serial, late.serial)
})

test("a stopped agent's key is refused on every server, and an old instance is not its name's next agent", async () => {
  await using deployment = await testDeployment()
  const [one, two] = [await deployment.serve(), await deployment.serve()]
  await register(one, { "support-bot": bot })
  const key = proven((await enrolAgent(one, "support-bot")).privateKey)
  const both = async (expected: string | null) => {
    for (const { agents, epoch } of [one, two]) {
      await epoch.refresh()
      if (expected === null) await agents.identifyKey(key)
      else await assert.rejects(agents.identifyKey(key), refusesWith(expected))
    }
  }
  await both(null)
  await one.audit.commit(one.agents.suspend("support-bot", "a test", by))
  await both("agent-suspended")
  await one.audit.commit(one.agents.resume("support-bot", "a test", by))
  await both(null)
  await one.audit.commit(one.agents.retire("support-bot", "a test", by))
  await both("agent-retired")
  await register(one, { "support-bot": bot })
  await both("agent-retired")
})

test("two readings of the registry at once do not bring back who was suspended meanwhile", async () => {
  await using deployment = await testDeployment()
  const one = await deployment.serve()
  await register(one, { "support-bot": bot })
  const key = proven((await enrolAgent(one, "support-bot")).privateKey)
  const reached = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  let isHeld = false
  const { database } = deployment.store
  const slow: Database = {
    ...database,
    async query(text, parameters) {
      const rows = await database.query<never>(text, parameters)
      if (isHeld && text.includes("from agents.agents")) {
        isHeld = false
        reached.resolve()
        await held.promise
      }
      return rows
    },
  }
  const listeners: ((epoch: number) => Promise<void> | void)[] = []
  const epoch: Epoch = { ...one.epoch, onChange: (listener) => void listeners.push(listener) }
  const two = await deployment.serve({ database: slow, epoch })
  await two.agents.identifyKey(key)

  await register(one, { "support-bot": bot, other: bot })
  const other = proven((await enrolAgent(one, "other")).privateKey)
  isHeld = true
  const early = two.agents.identifyKey(other)
  await reached.promise
  await one.audit.commit(one.agents.suspend("support-bot", "a test", by))
  const late = Promise.all(listeners.map((listener) => listener(0)))
  for (let roundTrip = 0; roundTrip < 20; roundTrip += 1) await database.query("select 1")
  held.resolve()
  await Promise.all([early, late])
  await assert.rejects(two.agents.identifyKey(key), refusesWith("agent-suspended"))
})

test("a key that was ever enrolled is known as such on every server, an operator's and a revoked one too", async () => {
  await using deployment = await testDeployment()
  const one = await deployment.serve()
  await register(one, { "support-bot": bot })
  const holder = await enrolAgent(one, "support-bot")
  const { token } = await one.agents.createJoinToken({ kind: "operator", name: "olga", roles: ["admin"] }, by)
  const olga = await enrolWith(one.agents, token.reveal())
  const two = await deployment.serve()
  const instance = { agent: "support-bot", instance: holder.instance }
  await one.audit.commit(one.agents.revokeInstance(instance, "test", by))
  for (const { privateKey } of [holder, olga]) {
    assert.equal(two.agents.knows(proven(privateKey)), false)
    assert.equal(await two.agents.isEnrolled(proven(privateKey)), true)
  }
  assert.equal(await two.agents.isEnrolled(proven(generateKey().privateKey)), false)
})
