import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { base64url, type RefusalCode, random, refusalCode } from "#kernel"
import type { User } from "#sessions"
import { type SoftwarePasskey, softwarePasskey, type Wrong } from "#testing"
import { verifyAssertion } from "../evidence/assertion.ts"
import { issuer, openTestPasskeys, type TestPasskeys } from "./passkeys.fixture.ts"

let at: TestPasskeys
before(async () => {
  at = await openTestPasskeys()
})
after(() => at[Symbol.asyncDispose]())

function refusedWith(code: RefusalCode, sentence = /./) {
  return (error: unknown) =>
    (refusalCode(error) === code && sentence.test((error as Error).message)) || assert.fail(String(error))
}

const { origin, hostname: rpId } = new URL(issuer)

/** Alice with a passkey that counts. */
async function withPasskey(
  kind: Parameters<typeof softwarePasskey>[0] = {},
): Promise<{ alice: User; passkey: SoftwarePasskey }> {
  const alice = at.person()
  const passkey = softwarePasskey(kind)
  await at.enrol(at.at(alice), { passkey })
  return { alice, passkey }
}

/** Signs as a page of ours would have it. */
async function signed(user: User, passkey: SoftwarePasskey, challenge: Buffer, wrong?: Wrong) {
  return passkey.get(await at.passkeys.assertionOptions(user.id, challenge), origin, wrong)
}

for (const algorithm of ["ES256", "Ed25519", "RS256"] as const) {
  test(`${algorithm}: what a user signed is proven, and its evidence verifies without us`, async () => {
    const { alice, passkey } = await withPasskey({ algorithm })
    const challenge = random(32)
    const options = await at.passkeys.assertionOptions(alice.id, challenge)
    assert.equal(options.challenge, base64url(challenge))
    assert.equal(options.rpId, rpId)
    assert.equal(options.userVerification, "required")
    const proven = await at.passkeys.verify(alice.id, challenge, passkey.get(options, origin))
    assert.equal(proven.way, "passkey")
    assert.equal(proven.evidence["credentialId"], passkey.id)
    assert.equal(proven.evidence["publicKey"], base64url(passkey.publicKey))
    assert.equal(verifyAssertion(proven.evidence as never, { rpId, origin, challenge }).isUserVerified, true)
    assert.notEqual((await at.passkeys.list(alice.id))[0]!.lastUsedAt, null)
  })
}

const wrongs: [string, Wrong][] = [
  ["a registration", { type: "webauthn.create" }],
  ["something else", { challenge: base64url(random(32)) }],
  ["at another site", { origin: "https://evil.example" }],
  ["in another site's page", { crossOrigin: true }],
  ["in another site's page, named", { crossOrigin: true, topOrigin: "https://evil.example" }],
  ["under another site's page", { topOrigin: "https://evil.example" }],
  ["for another site's name", { rpId: "evil.example" }],
  ["with nobody present", { isUserPresent: false }],
  ["without knowing who it was", { isUserVerified: false }],
  ["bound to another connection", { tokenBinding: { status: "present", id: "AA" } }],
  ["as a key that cannot be copied", { flags: 0x05 }],
  ["as a key that is copied and cannot be", { flags: 0x15 }],
  ["with something after it", { trailing: Buffer.of(1) }],
  [
    "with a signature that was changed",
    { signature: (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.of(bytes.at(-1)! ^ 1)]) },
  ],
]
for (const [what, wrong] of wrongs) {
  test(`nothing is proven by what was signed ${what}`, async () => {
    const { alice, passkey } = await withPasskey()
    const challenge = random(32)
    const answer = await signed(alice, passkey, challenge, wrong)
    await assert.rejects(at.passkeys.verify(alice.id, challenge, answer), refusedWith("passkey-invalid"))
    assert.equal((await at.passkeys.list(alice.id))[0]!.lastUsedAt, null)
  })
}

test("nothing is proven for another challenge, by another user's key, or with another user's handle", async () => {
  const [{ alice, passkey }, { alice: mallory, passkey: his }] = [await withPasskey(), await withPasskey()]
  const challenge = random(32)
  const answer = await signed(alice, passkey, challenge)
  await assert.rejects(at.passkeys.verify(alice.id, random(32), answer), refusedWith("passkey-invalid"))
  await assert.rejects(at.passkeys.verify(mallory.id, challenge, answer), refusedWith("passkey-unknown"))
  const asHers = { ...(await signed(mallory, his, challenge)), id: passkey.id, rawId: passkey.id }
  await assert.rejects(at.passkeys.verify(alice.id, challenge, asHers), refusedWith("passkey-invalid"))
  const handle = (id: string) => ({
    ...answer,
    response: { ...answer.response, userHandle: base64url(Buffer.from(id)) },
  })
  await assert.rejects(at.passkeys.verify(alice.id, challenge, handle(mallory.id)), refusedWith("passkey-invalid"))
  assert.equal((await at.passkeys.verify(alice.id, challenge, handle(alice.id))).way, "passkey")
})

test("a key whose counter does not go up is refused, and that is recorded", async () => {
  const { alice, passkey } = await withPasskey({ isSynced: false })
  const challenge = random(32)
  await at.passkeys.verify(alice.id, challenge, await signed(alice, passkey, challenge, { counter: 7 }))
  for (const counter of [7, 6, 0]) {
    const copied = await signed(alice, passkey, challenge, { counter })
    await assert.rejects(at.passkeys.verify(alice.id, challenge, copied), refusedWith("passkey-invalid", /copy/))
  }
  const suspected = (await at.entries("approvals.passkey-suspected")).filter(({ user }) => user === alice.id)
  assert.deepEqual(
    suspected.map(({ data }) => data!["counter"]),
    [7, 6, 0],
  )
  const forged = await signed(alice, passkey, challenge, { counter: 1, signature: () => Buffer.alloc(70) })
  await assert.rejects(at.passkeys.verify(alice.id, challenge, forged), refusedWith("passkey-invalid", /exactly this/))
  assert.equal((await at.entries("approvals.passkey-suspected")).filter(({ user }) => user === alice.id).length, 3)
})

test("of eight answers with one counter at once, one counts", async () => {
  const { alice, passkey } = await withPasskey({ isSynced: false })
  const challenge = random(32)
  const answer = await signed(alice, passkey, challenge, { counter: 9 })
  const all = Array.from({ length: 8 }, () => at.passkeys.verify(alice.id, challenge, answer))
  const outcomes = await Promise.allSettled(all)
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1)
})

test("a revoked key proves nothing, also not what it signed before", async () => {
  const { alice, passkey } = await withPasskey()
  const challenge = random(32)
  const answer = await signed(alice, passkey, challenge)
  const proven = await at.passkeys.verify(alice.id, challenge, answer)
  await at.audit.commit(at.passkeys.holding(alice.id, proven))
  const [own] = await at.passkeys.list(alice.id)
  await assert.rejects(
    at.audit.commit(at.passkeys.revoke({ id: own!.id, user: at.person("mallory").id })),
    refusedWith("passkey-unknown"),
  )
  await at.audit.commit(at.passkeys.revoke({ id: own!.id, user: alice.id }))
  await assert.rejects(at.passkeys.verify(alice.id, challenge, answer), refusedWith("passkey-unknown"))
  await assert.rejects(at.audit.commit(at.passkeys.holding(alice.id, proven)), refusedWith("passkey-unknown"))
  await assert.rejects(at.passkeys.assertionOptions(alice.id, challenge), refusedWith("passkey-unknown"))
  await assert.rejects(
    at.audit.commit(at.passkeys.revoke({ id: own!.id, user: alice.id })),
    refusedWith("passkey-unknown"),
  )
  assert.deepEqual(
    (await at.entries("approvals.passkey-revoked")).filter(({ user }) => user === alice.id).map(({ data }) => data),
    [{ passkey: own!.id, credentialId: passkey.id, because: "user" }],
  )
})

test("whoever has no passkey is told to add one", async () => {
  await assert.rejects(
    at.passkeys.assertionOptions(at.person().id, random(32)),
    refusedWith("passkey-unknown", /Add one/),
  )
})

test("a lost device takes every key away at once, and the next one waits", async () => {
  const { alice, passkey } = await withPasskey()
  await at.enrol(at.at(alice), { by: passkey })
  const { result: revoked } = await at.audit.commit(at.passkeys.lose(alice.id))
  assert.equal(revoked.length, 2)
  const [told] = await at.store.owner.query("select kind from approvals.notices where user_id = $1 and kind = 'lost'", [
    alice.id,
  ])
  assert.notEqual(told, undefined)
  const lost = (await at.entries("approvals.device-lost")).at(-1)!
  assert.deepEqual(new Set(lost.data!["passkeys"] as string[]), new Set(revoked.map(({ id }) => id)))
  for (const { id, revokedEntry } of revoked) {
    const entry = (await at.entries("approvals.passkey-revoked")).find((each) => each.id === revokedEntry)
    assert.equal(entry!.data!["passkey"], id)
  }

  const next = softwarePasskey()
  await assert.rejects(at.enrol(at.at(alice), { passkey: next, by: passkey }), refusedWith("passkey-unknown"))
  const enrolled = await at.enrol(at.at(alice), { passkey: next })
  assert.equal(enrolled.admittedBy, "recovery")
  assert.equal(enrolled.isCounting, false)
  const challenge = random(32)
  const answer = next.get({ challenge: base64url(challenge), rpId }, origin)
  await assert.rejects(
    at.passkeys.verify(alice.id, challenge, answer),
    refusedWith("passkey-unknown", /counts from 20/),
  )
  await assert.rejects(at.enrol(at.at(alice), { by: next }), refusedWith("passkey-unknown"), "nor does it vouch")
  await at.later(alice.id)
  assert.equal((await at.passkeys.verify(alice.id, challenge, answer)).way, "passkey")
})

test("revoking one's last key by hand and adding another is no way around the waiting time", async () => {
  const { alice } = await withPasskey()
  const [own] = await at.passkeys.list(alice.id)
  await at.audit.commit(at.passkeys.revoke({ id: own!.id, user: alice.id }))
  const next = await at.enrol(at.at(alice))
  assert.equal(next.admittedBy, "recovery")
  assert.equal(next.isCounting, false)
})

test("where an operator has to confirm it, a key that came after a loss waits for that, once", async () => {
  const { alice } = await withPasskey()
  await at.audit.commit(at.passkeys.lose(alice.id))
  const strict = at.another({ afterLoss: "operator" })
  const next = await at.enrol(at.at(alice), { passkeys: strict })
  assert.equal(next.countsFrom, null)
  await at.later(alice.id)
  assert.equal((await strict.list(alice.id)).at(-1)!.isCounting, false)
  assert.equal(
    (await strict.waiting()).some(({ id }) => id === next.id),
    true,
  )
  const by = "spiffe://example.org/operator/olga"
  const { result } = await at.audit.commit(strict.confirm(next.id, by))
  assert.equal(result.isCounting, true)
  await assert.rejects(at.audit.commit(strict.confirm(next.id, by)), refusedWith("passkey-unknown"))
  const entry = (await at.entries("approvals.passkey-confirmed")).at(-1)!
  assert.equal(entry.by, by)
  assert.equal(entry.user, alice.id)
})

test("the site is fixed by the first passkey, and a public URL without a name has none", async () => {
  const { alice, passkey } = await withPasskey()
  const elsewhere = at.another({ issuer: "https://other.example" })
  for (const refused of [
    () => elsewhere.site(),
    () => elsewhere.assertionOptions(alice.id, random(32)),
    () => elsewhere.registrationOptions({ ...at.at(at.person()), name: "x" }),
  ]) {
    await assert.rejects(refused(), refusedWith("passkeys-unavailable", /safeconduct\.example/))
  }
  const challenge = random(32)
  const there = passkey.get({ challenge: base64url(challenge), rpId: "other.example" }, "https://other.example")
  await assert.rejects(elsewhere.verify(alice.id, challenge, there), refusedWith("passkeys-unavailable"))
  for (const address of ["http://127.0.0.1:7422", "http://[::1]:7422", "https://192.0.2.1"]) {
    await assert.rejects(at.another({ issuer: address }).site(), refusedWith("passkeys-unavailable", /localhost/))
  }
  const port = at.another({ issuer: "https://safeconduct.example:8443" })
  assert.deepEqual(await port.site(), { rpId, origin: "https://safeconduct.example:8443" })
})

test("a passkey is renamed by its owner only", async () => {
  const { alice } = await withPasskey()
  const [own] = await at.passkeys.list(alice.id)
  await at.audit.commit(at.passkeys.rename({ id: own!.id, user: alice.id, label: "Old phone" }))
  assert.equal((await at.passkeys.list(alice.id))[0]!.label, "Old phone")
  const other = { id: own!.id, user: at.person().id, label: "Mine" }
  await assert.rejects(at.audit.commit(at.passkeys.rename(other)), refusedWith("passkey-unknown"))
  assert.doesNotMatch(JSON.stringify(await at.entries("approvals.passkey-renamed")), /Old phone/)
})

test("what the server's role may do with keys: never change one, or take it away", async () => {
  for (const statement of [
    "update approvals.passkeys set public_key = 'x'",
    "update approvals.passkeys set user_id = 'x'",
    "delete from approvals.passkeys",
    "update approvals.site set rp_id = 'evil.example'",
    "delete from approvals.site",
  ]) {
    await assert.rejects(at.store.database.query(statement), /permission denied/)
  }
})
