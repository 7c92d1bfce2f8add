import assert from "node:assert/strict"
import type { KeyObject } from "node:crypto"
import { test } from "node:test"
import { type Change, together } from "#audit"
import { generateKey, type Id, newId, systemClock } from "#kernel"
import { by, chainOf, type TestServer, testDeployment } from "../fixture.ts"
import { newSigningRequest, type OperatorSignIn, type Proven } from "../index.ts"

const olga = "user_0123456789abcdefghjkmnpqrs" as Id<"user">
const issuer = "https://id.shop.example"
const EIGHT_HOURS_MS = 8 * 3_600_000

/** A sign-in that is good: each value may be another. */
const proven = (more: Partial<Proven> = {}): Proven => ({
  provider: "shop",
  issuer,
  claim: "groups",
  values: ["sec-admins"],
  roles: ["admin"],
  providerSession: "sid-1",
  isFirst: true,
  ...more,
})

const proving =
  (result: Proven): (() => Change<Proven>) =>
  () => ({ work: async () => result, entries: () => [] })

type Given = Partial<Omit<OperatorSignIn, "csr" | "proving">> & Partial<Proven> & { privateKey?: KeyObject }

/** Signs somebody in with a new key. */
async function signIn({ agents }: TestServer, { privateKey = generateKey().privateKey, ...given }: Given = {}) {
  const { user = olga, provider = "shop", signedInAtMs = Date.now() } = given
  const csr = newSigningRequest(privateKey)
  const enrolment = await agents.signIn({ csr, user, provider, signedInAtMs, proving: proving(proven(given)) })
  return { ...enrolment, privateKey, chain: chainOf(enrolment.svid) }
}

async function start() {
  const deployment = await testDeployment()
  const server = await deployment.serve()
  return { deployment, server, ...server, [Symbol.asyncDispose]: () => deployment[Symbol.asyncDispose]() }
}

/** Roles of the caller with this chain. */
const rolesAt = async ({ agents }: TestServer, chain: Buffer[]) => {
  const principal = await agents.identify(chain)
  return principal.kind === "operator" ? principal.roles : null
}

test("a sign-in makes an instance with the roles of that sign-in, on every server, and the log says whose it is", async () => {
  await using s = await start()
  const other = await s.deployment.serve()
  const holder = await signIn(s.server, { roles: ["auditor"] })
  assert.equal(holder.spiffeId, "spiffe://example.org/operator/shop.efghjkmnpqrs")
  for (const server of [s.server, other]) assert.deepEqual(await rolesAt(server, holder.chain), ["auditor"])
  const [entry] = await s.deployment.entries("agents.operator-signed-in")
  const { roles, claim, provider, instance } = entry!.data!
  assert.deepEqual(
    [entry!.by, entry!.user, roles, claim, provider],
    [holder.spiffeId, olga, ["auditor"], "groups", "shop"],
  )
  assert.equal(instance, holder.instance)
  assert.doesNotMatch(JSON.stringify(entry), /sec-admins/)
})

test("two sign-ins of one person are one operator, each with roles of its own", async () => {
  await using s = await start()
  const first = await signIn(s.server, { roles: ["auditor"] })
  const second = await signIn(s.server, { roles: ["admin"] })
  assert.equal(first.spiffeId, second.spiffeId)
  assert.deepEqual(await rolesAt(s.server, first.chain), ["auditor"])
  assert.deepEqual(await rolesAt(s.server, second.chain), ["admin"])
  const [operator, ...more] = await s.agents.operators()
  assert.deepEqual([operator!.roles, operator!.user, more], [["admin", "auditor"], olga, []])
  assert.equal((await s.deployment.entries("agents.operator-registered")).length, 1)
})

test("no SVID of a sign-in outlives it, and the first of its renewals afterwards is refused", async () => {
  await using s = await start()
  const signedInAtMs = Date.now() - EIGHT_HOURS_MS + 120_000
  const holder = await signIn(s.server, { signedInAtMs })
  const until = signedInAtMs + EIGHT_HOURS_MS
  assert.ok(Date.parse(holder.notAfter) <= until)
  const renewed = await s.agents.renew(await s.agents.identify(holder.chain), newSigningRequest(holder.privateKey))
  assert.ok(Date.parse(renewed.notAfter) <= until)
  const principal = await s.agents.identify(holder.chain)
  await s.deployment.store.owner.query("update agents.operator_sign_ins set until = now() - interval '1 second'")
  await assert.rejects(s.agents.renew(principal, newSigningRequest(holder.privateKey)), { code: "svid-expired" })
})

test("a sign-in that is over stands for nobody, though its SVID is not, and not for its renewal either", async () => {
  await using s = await start()
  const holder = await signIn(s.server, { signedInAtMs: Date.now() - EIGHT_HOURS_MS + 60_000 * 90 })
  await s.deployment.store.owner.query("update agents.operator_sign_ins set until = now() + interval '1 minute'")
  const after = await s.deployment.serve({ clock: { ...systemClock, nowMs: () => Date.now() + 61_000 } })
  await assert.rejects(after.agents.identify(holder.chain), { code: "svid-expired" })
  await assert.rejects(after.agents.identify(holder.chain, { forRenewal: true }), /Sign in again/)
})

test("who signed in eight hours ago is not let in, nor can the database keep a longer sign-in", async () => {
  await using s = await start()
  await assert.rejects(signIn(s.server, { signedInAtMs: Date.now() - EIGHT_HOURS_MS }), { code: "svid-expired" })
  await signIn(s.server)
  const longer = "update agents.operator_sign_ins set until = signed_in_at + interval '8 hours 1 second'"
  await assert.rejects(s.deployment.store.owner.query(longer), /check constraint/)
})

test("the same key again, for a sign-in that it used up itself, is the same instance", async () => {
  await using s = await start()
  const first = await signIn(s.server)
  const again = await signIn(s.server, { privateKey: first.privateKey, isFirst: false })
  assert.equal(again.instance, first.instance)
  assert.notEqual(again.svid, first.svid)
  assert.equal((await s.deployment.entries("agents.operator-signed-in")).length, 1)
  assert.equal((await s.deployment.entries("agents.svid-issued")).length, 2)
})

test("a key that is enrolled already makes no second sign-in, and what proves it is not used up", async () => {
  await using s = await start()
  const { privateKey } = await signIn(s.server)
  await assert.rejects(signIn(s.server, { privateKey }), { code: "key-already-enrolled" })
  assert.equal((await s.deployment.entries("agents.operator-signed-in")).length, 1)
})

test("logged out, a sign-in stands for nobody on any server, and its lost answer is not given again", async () => {
  await using s = await start()
  const other = await s.deployment.serve()
  const [here, there] = [await signIn(s.server), await signIn(s.server, { providerSession: "sid-2" })]
  await rolesAt(other, here.chain)
  await s.audit.commit(s.agents.endSignIns({ iss: "https://else.example", providerSession: "sid-1" }, "logged-out", by))
  await s.audit.commit(s.agents.endSignIns({ iss: issuer, providerSession: "sid-1" }, "logged-out", by))
  for (const server of [s.server, other]) {
    await server.epoch.refresh()
    await assert.rejects(rolesAt(server, here.chain), { code: "svid-expired" })
    assert.deepEqual(await rolesAt(server, there.chain), ["admin"])
  }
  await assert.rejects(signIn(s.server, { privateKey: here.privateKey, isFirst: false }), { code: "grant-invalid" })
  const [entry, ...more] = await s.deployment.entries("agents.operator-signed-out")
  assert.deepEqual([entry!.data!["instance"], entry!.data!["reason"], more], [here.instance, "logged-out", []])
  await s.audit.commit(s.agents.endSignIns({ user: olga }, "logged-out", by))
  await s.epoch.refresh()
  await assert.rejects(rolesAt(s.server, there.chain), { code: "svid-expired" })
})

test("a configuration that is worth less takes at once, one that is worth more gives nothing", async () => {
  await using s = await start()
  const both = await signIn(s.server, { roles: ["admin", "auditor"] })
  const one = await signIn(s.server, { roles: ["operator"], values: ["ops"] })
  const narrow = async (worth: (values: string[]) => ("admin" | "auditor" | "operator")[]) => {
    await s.audit.commit(s.agents.narrowSignIns(({ values }) => worth(values), by))
    await s.epoch.refresh()
  }
  await narrow((values) => (values.includes("ops") ? ["operator", "admin"] : ["auditor", "operator"]))
  assert.deepEqual(await rolesAt(s.server, both.chain), ["auditor"])
  assert.deepEqual(await rolesAt(s.server, one.chain), ["operator"])
  await narrow((values) => (values.includes("ops") ? [] : ["admin", "auditor"]))
  assert.deepEqual(await rolesAt(s.server, both.chain), ["auditor"])
  await assert.rejects(rolesAt(s.server, one.chain), { code: "svid-expired" })
  await narrow(() => ["operator"])
  await assert.rejects(rolesAt(s.server, one.chain), { code: "svid-expired" })
  const [changed] = await s.deployment.entries("agents.operator-changed")
  assert.deepEqual([changed!.data!["before"], changed!.data!["roles"]], [["admin", "auditor"], ["auditor"]])
  const reasons = (await s.deployment.entries("agents.operator-signed-out")).map(({ data }) => data!["reason"])
  assert.deepEqual(reasons, ["no-role", "no-role"])
})

test("a retired operator is let in by no later sign-in, and is not the admin that stays", async () => {
  await using s = await start()
  const first = await s.agents.bootstrap()
  const holder = await signIn(s.server)
  const { name } = (await s.agents.operators()).find(({ user }) => user === olga)!
  await assert.rejects(s.agents.retireOperator("admin", "left", by), { code: "last-admin" })
  assert.notEqual(first, null)
  await s.agents.retireOperator(name, "left", by)
  await assert.rejects(rolesAt(s.server, holder.chain), { code: "agent-retired" })
  await assert.rejects(signIn(s.server), { code: "agent-retired" })
  // By a provider of another name with the same issuer it is the same person.
  await assert.rejects(signIn(s.server, { provider: "other" }), { code: "agent-retired" })
  assert.equal((await signIn(s.server, { user: newId("user") })).instance.startsWith("instance_"), true)
})

test("who signs in joins with no token", async () => {
  await using s = await start()
  await signIn(s.server)
  const [{ name } = { name: "" }] = await s.agents.operators()
  for (const roles of [undefined, ["admin"] as const]) {
    const asked = { kind: "operator" as const, name, ...(roles && { roles }) }
    await assert.rejects(s.agents.createJoinToken(asked, by), { code: "invalid-request" })
  }
})

test("what the proof refuses makes nothing", async () => {
  await using s = await start()
  const refusing = () =>
    together(
      { work: () => Promise.reject(new Error("refused")), entries: () => [] } as Change<void>,
      proving(proven())(),
    ) as unknown as Change<Proven>
  const request = {
    csr: newSigningRequest(generateKey().privateKey),
    user: olga,
    provider: "shop",
    signedInAtMs: Date.now(),
  }
  await assert.rejects(s.agents.signIn({ ...request, proving: refusing }), /refused/)
  assert.deepEqual(await s.agents.operators(), [])
})
