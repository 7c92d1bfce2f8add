import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { commitment } from "#audit"
import { base64url, type RefusalCode, random, refusalCode } from "#kernel"
import { cbor, type Encodable, softwarePasskey, type Wrong } from "#testing"
import { vouchingChallenge } from "../index.ts"
import { issuer, openTestPasskeys, type TestPasskeys } from "./passkeys.fixture.ts"

let at: TestPasskeys
before(async () => {
  at = await openTestPasskeys()
})
after(() => at[Symbol.asyncDispose]())

function refusedWith(code: RefusalCode) {
  return (error: unknown) => refusalCode(error) === code || assert.fail(String(error))
}

const { origin, hostname: rpId } = new URL(issuer)

for (const algorithm of ["ES256", "Ed25519", "RS256"] as const) {
  test(`a first passkey with ${algorithm} is let in, recorded with its key, and told of`, async () => {
    const alice = at.person()
    const passkey = softwarePasskey({ algorithm })
    const enrolled = await at.enrol(at.at(alice), { passkey, label: " Phone " })
    assert.equal(enrolled.admittedBy, "first")
    assert.equal(enrolled.isCounting, true)
    assert.equal(enrolled.label, "Phone")
    const entry = (await at.entries("approvals.passkey-enrolled")).at(-1)!
    assert.equal(entry.id, enrolled.enrolledEntry)
    assert.deepEqual(entry.data, {
      passkey: enrolled.id,
      credentialId: passkey.id,
      publicKey: base64url(passkey.publicKey),
      algorithm,
      rpId,
      origin,
      aaguid: "00000000-0000-0000-0000-000000000000",
      isBackupEligible: true,
      isBackedUp: true,
      admittedBy: "first",
      vouchedBy: null,
      countsFrom: enrolled.countsFrom!.toISOString(),
    })
    const { disclosures } = await at.audit.entry(entry.id)
    const { salt, value } = disclosures!["sub"]!
    assert.equal(value, alice.sub)
    const of = { salt: Buffer.from(salt, "base64url"), value: JSON.stringify(alice.sub) }
    assert.equal(entry.commitments!["sub"], commitment(of))
    assert.doesNotMatch(JSON.stringify(entry), new RegExp(`${alice.sub}|Phone`))
    const notices = await at.store.owner.query("select kind from approvals.notices where user_id = $1", [alice.id])
    assert.deepEqual(notices, [{ kind: "enrolled" }])
  })
}

const wrongs: [string, Wrong][] = [
  ["of a signature", { type: "webauthn.get" }],
  ["of another site's page", { origin: "https://evil.example" }],
  ["in another site's page", { crossOrigin: true }],
  ["under another site's page", { topOrigin: "https://evil.example" }],
  ["for another site's name", { rpId: "evil.example" }],
  ["that nobody was present at", { isUserPresent: false }],
  ["that does not know who made it", { isUserVerified: false }],
  ["with something after it", { trailing: Buffer.of(0) }],
  ["over a challenge of its own", { challenge: base64url(random(32)) }],
  ["over a challenge that is none", { challenge: "AA" }],
]
for (const [what, wrong] of wrongs) {
  test(`no passkey is made by the answer ${what}`, async () => {
    const alice = at.person()
    await assert.rejects(at.enrol(at.at(alice), { wrong }), refusedWith("passkey-invalid"))
    assert.deepEqual(await at.passkeys.list(alice.id), [])
  })
}

test("an answer whose challenge was changed in a bit, or whose id is another's, makes no passkey", async () => {
  const browser = at.at(at.person())
  const options = await at.passkeys.registrationOptions({ ...browser, name: "alice" })
  const answer = softwarePasskey().create(options, origin)
  const enrolling = async (changed: typeof answer) =>
    at.audit.commit(await at.passkeys.enrol({ ...browser, answer: changed, label: "x", vouching: null }))
  const bytes = Buffer.from(answer.response.clientDataJSON, "base64url")
  const end = bytes.indexOf('","origin"')
  for (let bit = 0; bit < end * 8; bit += 7) {
    const copy = Buffer.from(bytes)
    copy[bit >> 3]! ^= 1 << (bit & 7)
    const response = { ...answer.response, clientDataJSON: base64url(copy) }
    await assert.rejects(enrolling({ ...answer, response }), refusedWith("passkey-invalid"))
  }
  await assert.rejects(enrolling({ ...answer, id: "AAAA", rawId: "AAAA" }), refusedWith("passkey-invalid"))
})

test("an attestation with a certificate is not followed anywhere, and makes no passkey", async () => {
  const browser = at.at(at.person())
  const options = await at.passkeys.registrationOptions({ ...browser, name: "alice" })
  const answer = softwarePasskey().create(options, origin)
  const authData = Buffer.from(answer.response.attestationObject, "base64url").subarray(-164)
  for (const format of ["packed", "fido-u2f", "android-key", "tpm", "apple", "android-safetynet"]) {
    const statement = new Map<string, Encodable>([
      ["alg", -7],
      ["sig", Buffer.alloc(8)],
      ["x5c", Buffer.alloc(8)],
    ])
    const object = cbor(
      new Map<string, Encodable>([
        ["fmt", format],
        ["attStmt", statement],
        ["authData", authData],
      ]),
    )
    const changed = { ...answer, response: { ...answer.response, attestationObject: base64url(object) } }
    const enrolling = at.passkeys.enrol({ ...browser, answer: changed, label: "x", vouching: null })
    await assert.rejects(enrolling, (error: Error) => {
      return refusedWith("passkey-invalid")(error) && /not asked for/.test(String((error.cause as Error).message))
    })
  }
})

test("a challenge is good once, in one browser, for one user, and for five minutes", async () => {
  const [alice, bob] = [at.person(), at.person("bob")]
  const browser = at.at(alice)
  const options = await at.passkeys.registrationOptions({ ...browser, name: "alice" })
  const answer = softwarePasskey().create(options, origin)
  const enrolling = async (by = browser) =>
    at.audit.commit(await at.passkeys.enrol({ ...by, answer, label: "x", vouching: null }))
  await assert.rejects(enrolling(at.at(alice)), refusedWith("passkey-invalid"), "another browser")
  await assert.rejects(
    enrolling({ ...browser, known: at.at(bob).known }),
    refusedWith("passkey-invalid"),
    "another user",
  )
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => enrolling()))
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1)
  await assert.rejects(enrolling(), refusedWith("passkey-invalid"), "again")

  const slow = await at.passkeys.registrationOptions({ ...at.at(bob), name: "bob" })
  const late = softwarePasskey().create(slow, origin)
  await at.later(bob.id)
  await assert.rejects(
    at.passkeys
      .enrol({ ...at.at(bob), answer: late, label: "x", vouching: null })
      .then((change) => at.audit.commit(change)),
    refusedWith("passkey-invalid"),
  )
})

test("whoever signed in more than five minutes ago makes no passkey", async () => {
  const alice = at.person()
  await assert.rejects(
    at.passkeys.registrationOptions({ ...at.at(alice, 301), name: "alice" }),
    refusedWith("login-required"),
  )
  const browser = at.at(alice)
  const answer = softwarePasskey().create(await at.passkeys.registrationOptions({ ...browser, name: "a" }), origin)
  const old = { ...browser, known: { ...browser.known, ageSeconds: 301 } }
  await assert.rejects(at.passkeys.enrol({ ...old, answer, label: "x", vouching: null }), refusedWith("login-required"))
})

test("a second passkey needs the signature of one that counts, over exactly this one", async () => {
  const alice = at.person()
  const browser = at.at(alice)
  const [phone, key, tablet] = [softwarePasskey(), softwarePasskey({ isSynced: false }), softwarePasskey()]
  await at.enrol(browser, { passkey: phone })
  await assert.rejects(at.enrol(browser, { passkey: key }), refusedWith("passkey-required"))
  await assert.rejects(at.enrol(browser, { passkey: key, by: key }), refusedWith("passkey-unknown"))

  const options = await at.passkeys.registrationOptions({ ...browser, name: "alice" })
  assert.deepEqual(
    options.excludeCredentials?.map(({ id }) => id),
    [phone.id],
  )
  const [answer, swapped] = [key.create(options, origin), tablet.create(options, origin)]
  const vouching = phone.get({ challenge: base64url(vouchingChallenge(answer)), rpId }, origin)
  await assert.rejects(
    at.passkeys.enrol({ ...browser, answer: swapped, label: "x", vouching }),
    refusedWith("passkey-invalid"),
    "what was signed for is another key",
  )
  const { result } = await at.audit.commit(await at.passkeys.enrol({ ...browser, answer, label: "Key", vouching }))
  assert.equal(result.admittedBy, "passkey")
  assert.equal(result.isCounting, true)
  const { data } = (await at.entries("approvals.passkey-enrolled")).at(-1)!
  assert.equal(data!["vouchedBy"], phone.id)
})

test("another user's passkey vouches for nothing, and nobody enrols what is somebody's already", async () => {
  const [alice, mallory] = [at.person(), at.person("mallory")]
  const [hers, his] = [softwarePasskey(), softwarePasskey()]
  await at.enrol(at.at(alice), { passkey: hers })
  await at.enrol(at.at(mallory), { passkey: his })
  await assert.rejects(at.enrol(at.at(alice), { by: his }), refusedWith("passkey-unknown"))
  await assert.rejects(at.enrol(at.at(at.person("eve")), { passkey: hers }), refusedWith("passkey-invalid"))
})

test("of two first passkeys at once, one is the first and the other is refused", async () => {
  const alice = at.person()
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => at.enrol(at.at(alice))))
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1)
  assert.equal((await at.passkeys.list(alice.id)).length, 1)
})

test("nobody has more than twenty passkeys, or challenges without end", async () => {
  const alice = at.person()
  const first = softwarePasskey()
  await at.enrol(at.at(alice), { passkey: first })
  await Promise.all(
    Array.from({ length: 19 }, () => at.enrol(at.at(alice), { by: first })).map((each) => each.catch(() => null)),
  )
  while ((await at.passkeys.list(alice.id)).length < 20) await at.enrol(at.at(alice), { by: first })
  await assert.rejects(at.enrol(at.at(alice), { by: first }), refusedWith("passkey-limit"))
  for (let nth = 0; nth < 12; nth++) await at.passkeys.registrationOptions({ ...at.at(alice), name: "alice" })
  const [row] = await at.store.owner.query<{ count: number }>(
    "select count(*) from approvals.enrolments where user_id = $1",
    [alice.id],
  )
  assert.equal(row!.count, 5)
})

test("the name of a passkey is one line that can be read", async () => {
  const alice = at.person()
  for (const label of ["", " ", "a\nb", "x".repeat(61), "\u202egnp"]) {
    await assert.rejects(at.enrol(at.at(alice), { label }), refusedWith("invalid-request"))
  }
})
