import assert from "node:assert/strict"
import { test } from "node:test"
import { generateKey, refusalCode, sha256, systemClock } from "#kernel"
import { bot, by, chainOf, enrolAgent, enrolWith, register, testDeployment } from "./fixture.ts"
import { newSigningRequest } from "./index.ts"
import { spkiOf } from "./issue.ts"

const HOUR = 3_600_000

/** One server that knows the agent support-bot. */
async function start() {
  const deployment = await testDeployment()
  const server = await deployment.serve()
  await register(server, { "support-bot": bot })
  return { deployment, server, agents: server.agents, [Symbol.asyncDispose]: () => deployment[Symbol.asyncDispose]() }
}

test("a join token and a signing request become an instance that is identified", async () => {
  await using s = await start()
  const holder = await enrolAgent(s.server, "support-bot")
  assert.equal(holder.spiffeId, "spiffe://example.org/agent/support-bot")
  assert.equal(holder.bundle, s.agents.roots().join(""))
  assert.equal(holder.chain.length, 2)
  const principal = await s.agents.identify(holder.chain)
  assert.equal(principal.kind, "agent")
  assert.equal(principal.name, "support-bot")
  assert.equal(principal.instance, holder.instance)
  assert.deepEqual(principal.confirmation, { "x5t#S256": sha256(holder.chain[0]!).toString("base64url") })
  assert.equal(new Date(principal.notAfterMs).toISOString(), holder.notAfter)
})

test("the public key of an instance is known, until that is revoked, and can be no other than the enrolled one", async () => {
  await using s = await start()
  const holder = await enrolAgent(s.server, "support-bot")
  const spki = spkiOf(holder.privateKey)
  const { owner } = s.deployment.store
  assert.deepEqual((await s.agents.keyOf(holder.instance))!.export({ type: "spki", format: "der" }), spki)
  assert.equal(await s.agents.keyOf("instance_00000000000000000000000000"), null)
  const other = spkiOf(generateKey().privateKey)
  await assert.rejects(owner.query("update agents.instances set spki = $1 where id = $2", [other, holder.instance]))
  // Enrolled before keys were noted: its renewal notes it.
  await owner.query("update agents.instances set spki = null where id = $1", [holder.instance])
  assert.equal(await s.agents.keyOf(holder.instance), null)
  await s.agents.renew(await s.agents.identify(holder.chain), newSigningRequest(holder.privateKey))
  assert.deepEqual((await s.agents.keyOf(holder.instance))!.export({ type: "spki", format: "der" }), spki)
  const of = { agent: "support-bot", instance: holder.instance }
  await s.server.audit.commit(s.agents.revokeInstance(of, "lost", by))
  assert.equal(await s.agents.keyOf(holder.instance), null)
})

test("an enrolment is two entries that name key, serial and end, and neither token nor owner", async () => {
  await using s = await start()
  const { token } = await s.agents.createJoinToken({ kind: "agent", name: "support-bot" }, by)
  const holder = await enrolWith(s.agents, token.reveal())
  const principal = await s.agents.identify(holder.chain)
  const [created] = await s.deployment.entries("agents.join-token-created")
  const [enrolled] = await s.deployment.entries("agents.instance-enrolled")
  const [issued] = await s.deployment.entries("agents.svid-issued")
  assert.equal(created!.by, by)
  assert.equal(enrolled!.data?.["token"], created!.data?.["token"])
  assert.equal(enrolled!.by, holder.spiffeId)
  assert.deepEqual(issued!.agent, { name: "support-bot", instance: holder.instance, svid: principal.serial })
  assert.equal(issued!.data?.["notAfter"], holder.notAfter)
  assert.equal(issued!.data?.["keyThumbprint"], enrolled!.data?.["keyThumbprint"])
  const everything = await s.deployment.store.owner.query<{ text: string }>(
    "select convert_from(leaf, 'UTF8') as text from audit.entries",
  )
  const log = everything.map(({ text }) => text).join()
  assert.ok(!log.includes(token.reveal().split(".")[0]!))
  assert.ok(!log.includes(bot.owner))
})

test("of eight enrolments at once with one token, on two servers, one succeeds", async () => {
  await using s = await start()
  const other = await s.deployment.serve()
  const { token } = await s.agents.createJoinToken({ kind: "agent", name: "support-bot" }, by)
  const attempts = Array.from({ length: 8 }, (_, at) =>
    enrolWith(at % 2 === 0 ? s.agents : other.agents, token.reveal()).then(
      () => "enrolled",
      (error: unknown) => refusalCode(error),
    ),
  )
  const results = (await Promise.all(attempts)).sort()
  assert.deepEqual(results, ["enrolled", ...Array<string>(7).fill("join-token-invalid")])
  const [row] = await s.deployment.store.owner.query<{ count: number }>("select count(*) from agents.instances")
  assert.equal(row!.count, 1)
  assert.equal((await s.deployment.entries("agents.instance-enrolled")).length, 1)
})

test("the same token with the same key is the same instance again, also raced, until the token expires", async () => {
  await using s = await start()
  const other = await s.deployment.serve()
  const { token } = await s.agents.createJoinToken({ kind: "agent", name: "support-bot" }, by)
  const { privateKey } = generateKey()
  const ask = (agents = s.agents) => agents.enrol({ token: token.reveal(), csr: newSigningRequest(privateKey) })
  const raced = await Promise.all([ask(), ask(other.agents), ask(), ask(other.agents)])
  const again = await ask()
  assert.equal(new Set([...raced, again].map(({ instance }) => instance)).size, 1)
  assert.equal((await s.agents.identify(chainOf(again.svid))).instance, raced[0].instance)
  assert.equal((await s.deployment.entries("agents.instance-enrolled")).length, 1)
  const issued = (await s.deployment.entries("agents.svid-issued")).filter(({ agent }) => agent !== undefined)
  assert.equal(issued.length, 5)
  assert.equal(issued.filter(({ data }) => data?.["token"] !== undefined).length, 4)

  const enrolledToken = { kind: "agent", name: "support-bot" } as const
  const fresh = (await s.agents.createJoinToken(enrolledToken, by)).token.reveal()
  const csr = newSigningRequest(privateKey)
  await assert.rejects(s.agents.enrol({ token: fresh, csr }), { code: "key-already-enrolled" })
  await s.server.audit.commit(s.agents.suspend("support-bot", "test", by))
  await assert.rejects(ask(), { code: "agent-suspended" })
  await s.server.audit.commit(s.agents.resume("support-bot", "test", by))
  await ask()
  await s.deployment.store.owner.query("update agents.join_tokens set expires_at = now() where used_at is not null")
  await assert.rejects(ask(), { code: "join-token-invalid" })
})

test("an enrolled key is refused a second time, for an operator too, and the token stays usable", async () => {
  await using s = await start()
  const { privateKey } = generateKey()
  const csr = newSigningRequest(privateKey)
  const token = async (request: Parameters<typeof s.agents.createJoinToken>[0]) =>
    (await s.agents.createJoinToken(request, by)).token.reveal()
  await s.agents.enrol({ token: await token({ kind: "agent", name: "support-bot" }), csr })
  const second = await token({ kind: "agent", name: "support-bot" })
  await assert.rejects(s.agents.enrol({ token: second, csr }), { code: "key-already-enrolled" })
  const third = await token({ kind: "operator", name: "ann", roles: ["auditor"] })
  await assert.rejects(s.agents.enrol({ token: third, csr }), { code: "key-already-enrolled" })
  assert.equal((await enrolWith(s.agents, second)).spiffeId, "spiffe://example.org/agent/support-bot")
})

test("a token is refused when it is used, expired, altered, of another root or no token at all", async () => {
  await using s = await start()
  const hasty = await s.deployment.serve({ lifetimes: { joinTokenSeconds: 0 } })
  const { token: expired } = await hasty.agents.createJoinToken({ kind: "agent", name: "support-bot" }, by)
  const { token } = await s.agents.createJoinToken({ kind: "agent", name: "support-bot" }, by)
  const [secret, root] = token.reveal().split(".")
  const otherRoot = sha256("another root").toString("base64url")
  const otherSecret = sha256("another secret").toString("base64url")
  const bent = ["", ".", `${secret}`, `${secret}.`, `.${root}`, `${secret}.${root}.`, `${secret}=.${root}`]
  for (const text of [...bent, `${secret}.${otherRoot}`, `${otherSecret}.${root}`, expired.reveal()]) {
    await assert.rejects(enrolWith(s.agents, text), { code: "join-token-invalid" }, text)
  }
  await enrolWith(s.agents, token.reveal())
  await assert.rejects(enrolWith(s.agents, token.reveal()), { code: "join-token-invalid" })
})

test("a join token lives 15 minutes and is stored as a hash only", async () => {
  await using s = await start()
  const { token, expiresAt } = await s.agents.createJoinToken({ kind: "agent", name: "support-bot" }, by)
  const [row] = await s.deployment.store.owner.query<{ hash: Buffer; seconds: number; made_by: string }>(
    `select hash, extract(epoch from expires_at - created_at)::int as seconds, created_by as made_by
     from agents.join_tokens`,
  )
  const secret = Buffer.from(token.reveal().split(".")[0]!, "base64url")
  assert.equal(secret.length, 32)
  assert.deepEqual(row!.hash, sha256(secret))
  assert.equal(row!.seconds, 900)
  assert.equal(row!.made_by, by)
  assert.ok(expiresAt.getTime() > Date.now())
  assert.equal(`${token}`, "[secret]")
})

test("there is no token for an agent that is unknown, suspended or retired", async () => {
  await using s = await start()
  const make = (name: string) => s.agents.createJoinToken({ kind: "agent", name }, by)
  await assert.rejects(make("nobody"), { code: "not-found" })
  await s.server.audit.commit(s.agents.suspend("support-bot", "test", by))
  await assert.rejects(make("support-bot"), { code: "agent-suspended" })
  await s.server.audit.commit(s.agents.retire("support-bot", "test", by))
  await assert.rejects(make("support-bot"), { code: "not-found" })
})

test("a token of an agent that is suspended or retired meanwhile makes no instance", async () => {
  await using s = await start()
  const { token } = await s.agents.createJoinToken({ kind: "agent", name: "support-bot" }, by)
  await s.server.audit.commit(s.agents.suspend("support-bot", "test", by))
  await assert.rejects(enrolWith(s.agents, token.reveal()), { code: "agent-suspended" })
  await s.server.audit.commit(s.agents.retire("support-bot", "test", by))
  await register(s.server, { "support-bot": bot })
  await assert.rejects(enrolWith(s.agents, token.reveal()), { code: "agent-retired" })
  const [row] = await s.deployment.store.owner.query<{ count: number }>("select count(*) from agents.instances")
  assert.equal(row!.count, 0)
})

test("a bad signing request does not use the token up", async () => {
  await using s = await start()
  const { token } = await s.agents.createJoinToken({ kind: "agent", name: "support-bot" }, by)
  await assert.rejects(s.agents.enrol({ token: token.reveal(), csr: "no" }), { code: "csr-invalid" })
  await enrolWith(s.agents, token.reveal())
})

test("a renewal is a new SVID for the same instance and key, and for no other key", async () => {
  await using s = await start()
  const holder = await enrolAgent(s.server, "support-bot")
  const sibling = await enrolAgent(s.server, "support-bot")
  const before = await s.agents.identify(holder.chain)
  const renewed = await s.agents.renew(before, newSigningRequest(holder.privateKey))
  const after = await s.agents.identify(chainOf(renewed.svid))
  assert.equal(after.instance, before.instance)
  assert.notEqual(after.serial, before.serial)
  const issued = (await s.deployment.entries("agents.svid-issued")).at(-1)!
  assert.equal(issued.data?.["before"], before.serial)
  assert.equal(issued.data?.["lateSeconds"], undefined)
  for (const key of [generateKey().privateKey, sibling.privateKey]) {
    await assert.rejects(s.agents.renew(before, newSigningRequest(key)), { code: "csr-invalid" })
  }
})

test("an SVID that expired at most 24 hours ago is good for its renewal alone, and the entry says how late it was", async () => {
  await using s = await start()
  const holder = await enrolAgent(s.server, "support-bot")
  const at = async (laterMs: number) =>
    (await s.deployment.serve({ clock: { nowMs: () => systemClock.nowMs() + laterMs } })).agents
  const late = await at(24.5 * HOUR)
  await assert.rejects(late.identify(holder.chain), { code: "svid-expired" })
  const principal = await late.identify(holder.chain, { forRenewal: true })
  const renewed = await late.renew(principal, newSigningRequest(holder.privateKey))
  assert.equal((await late.identify(chainOf(renewed.svid))).instance, holder.instance)
  const issued = (await s.deployment.entries("agents.svid-issued")).at(-1)!
  assert.ok(Math.abs(Number(issued.data?.["lateSeconds"]) - 23.5 * 3_600) < 30)
  const tooLate = await at(25.1 * HOUR)
  await assert.rejects(tooLate.identify(holder.chain, { forRenewal: true }), { code: "svid-expired" })
})

test("a suspended agent does not renew, not even with a judgement from before", async () => {
  await using s = await start()
  const holder = await enrolAgent(s.server, "support-bot")
  const principal = await s.agents.identify(holder.chain)
  await s.server.audit.commit(s.agents.suspend("support-bot", "test", by))
  await assert.rejects(s.agents.renew(principal, newSigningRequest(holder.privateKey)), { code: "agent-suspended" })
  await s.server.epoch.refresh()
  await assert.rejects(s.agents.identify(holder.chain, { forRenewal: true }), { code: "agent-suspended" })
})
