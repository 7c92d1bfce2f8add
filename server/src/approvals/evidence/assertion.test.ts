import assert from "node:assert/strict"
import { randomBytes, sign } from "node:crypto"
import { readFileSync } from "node:fs"
import { describe, test } from "node:test"
import { verifyAuthenticationResponse } from "@simplewebauthn/server"
import fc from "fast-check"
import { base64url, Refusal, sha256 } from "#kernel"
import { type SoftwarePasskey, softwarePasskey, type Wrong } from "#testing"
import { type ExpectedAssertion, type PasskeyEvidence, verifyAssertion } from "./assertion.ts"
import { isSignedBy, readPasskeyKey } from "./cose.ts"

type Vectors = {
  rpId: string
  origin: string
  cases: {
    name: string
    algorithm: string
    publicKey: string
    challenge: string
    authenticatorData: string
    clientDataJSON: string
    signature: string
    refusal: string | null
  }[]
}

const url = new URL("../../../../contract/vectors/webauthn.json", import.meta.url)
const { rpId, origin, cases } = JSON.parse(readFileSync(url, "utf8")) as Vectors
const expected: ExpectedAssertion = { rpId, origin, challenge: randomBytes(32) }

function notVerified(sentence: RegExp) {
  return (error: unknown) => error instanceof Refusal && error.code === "not-verified" && sentence.test(error.message)
}

function evidenceBy(passkey: SoftwarePasskey, wrong: Wrong = {}, of = expected): PasskeyEvidence {
  const options = { challenge: base64url(of.challenge), rpId: of.rpId }
  const { id, response } = passkey.get(options, of.origin, wrong)
  const { clientDataJSON, authenticatorData, signature } = response
  return { credentialId: id, publicKey: base64url(passkey.publicKey), clientDataJSON, authenticatorData, signature }
}

describe("the specification's own vectors (WebAuthn Level 3 §16)", () => {
  for (const { name, algorithm, refusal, ...vector } of cases) {
    const bytes = (field: keyof typeof vector) => Buffer.from(vector[field], "hex")
    const message = Buffer.concat([bytes("authenticatorData"), sha256(bytes("clientDataJSON"))])

    test(`${name}: the signature is ${algorithm}, and of nothing else`, () => {
      const key = readPasskeyKey(bytes("publicKey"))
      assert.equal(key.algorithm, algorithm)
      assert.equal(isSignedBy(key, message, bytes("signature")), true)
      for (let bit = 0; bit < message.length * 8; bit += 11) {
        assert.equal(isSignedBy(key, flipped(message, bit), bytes("signature")), false)
      }
      for (let bit = 0; bit < bytes("signature").length * 8; bit += 3) {
        assert.equal(isSignedBy(key, message, flipped(bytes("signature"), bit)), false)
      }
    })

    test(`${name}: ${refusal === null ? "counts as an approval" : `counts for nothing: ${refusal}`}`, () => {
      const encoded = (field: keyof typeof vector) => base64url(bytes(field))
      const evidence = {
        credentialId: "AA",
        publicKey: encoded("publicKey"),
        clientDataJSON: encoded("clientDataJSON"),
        authenticatorData: encoded("authenticatorData"),
        signature: encoded("signature"),
      }
      const verify = () => verifyAssertion(evidence, { rpId, origin, challenge: bytes("challenge") })
      if (refusal === null) assert.equal(verify().isUserVerified, true)
      else assert.throws(verify, notVerified(new RegExp(refusal)))
    })
  }
})

for (const algorithm of ["ES256", "Ed25519", "RS256"] as const) {
  const passkey = softwarePasskey({ algorithm })

  test(`${algorithm}: what a passkey signed verifies, here and by a library that nobody here wrote`, async () => {
    const evidence = evidenceBy(passkey)
    const facts = verifyAssertion(evidence, expected)
    assert.deepEqual(facts, {
      isUserPresent: true,
      isUserVerified: true,
      isBackupEligible: true,
      isBackedUp: true,
      counter: 0,
    })
    const { credentialId: id, publicKey, ...response } = evidence
    const { verified } = await verifyAuthenticationResponse({
      response: { id, rawId: id, type: "public-key", clientExtensionResults: {}, response },
      expectedChallenge: base64url(expected.challenge),
      expectedOrigin: origin,
      expectedRPID: rpId,
      credential: { id, publicKey: new Uint8Array(Buffer.from(publicKey, "base64url")), counter: 0 },
    })
    assert.equal(verified, true)
  })

  test(`${algorithm}: a flipped bit of anything that was signed, of the signature or of the key is found`, () => {
    const evidence = evidenceBy(passkey)
    const part = fc.constantFrom("publicKey", "clientDataJSON", "authenticatorData", "signature")
    fc.assert(
      fc.property(part, fc.nat(), (name: Exclude<keyof PasskeyEvidence, "credentialId">, position) => {
        const bytes = Buffer.from(evidence[name], "base64url")
        const changed = base64url(flipped(bytes, position % (bytes.length * 8)))
        assert.throws(() => verifyAssertion({ ...evidence, [name]: changed }, expected), notVerified(/./))
      }),
      { numRuns: 400 },
    )
  })
}

const passkey = softwarePasskey()
const wrongs: [string, Wrong, RegExp][] = [
  ["a registration", { type: "webauthn.create" }, /not an answer/],
  ["a payment", { type: "payment.get" }, /not an answer/],
  ["another challenge", { challenge: base64url(randomBytes(32)) }, /signs something else/],
  ["a shorter challenge", { challenge: base64url(randomBytes(31)) }, /signs something else/],
  ["a challenge with padding", { challenge: `${base64url(expected.challenge)}=` }, /base64url/],
  ["another origin", { origin: "https://evil.example" }, /another site asked/],
  ["the same host on another port", { origin: "https://example.org:8443" }, /another site asked/],
  ["an origin that ends in a slash", { origin: "https://example.org/" }, /another site asked/],
  ["a page in another site's", { crossOrigin: true }, /drawn into/],
  ["a page under another site's", { topOrigin: "https://evil.example" }, /drawn into/],
  ["another site's key", { rpId: "evil.example" }, /another site's/],
  ["nobody present", { isUserPresent: false }, /nobody was present/],
  ["nobody verified", { isUserVerified: false }, /did not verify/],
  ["a token binding", { tokenBinding: { status: "present", id: "AA" } }, /bound to a connection/],
  ["a token binding that is no object", { tokenBinding: "present" }, /bound to a connection/],
  ["a key inside", { flags: 0x45 }, /brings a key/],
  ["backed up, but not eligible for it", { flags: 0x15 }, /contradict/],
  ["something after the authenticator data", { trailing: Buffer.of(0xa0) }, /comes after/],
  ["authenticator data that breaks off", { authenticatorData: (bytes) => bytes.subarray(0, 36) }, /breaks off/],
  ["no signature that is one", { signature: () => Buffer.alloc(64, 1) }, /signature does not verify/],
]

for (const [what, wrong, sentence] of wrongs) {
  test(`refused, although its signature is good: ${what}`, () => {
    assert.throws(() => verifyAssertion(evidenceBy(passkey, wrong), expected), notVerified(sentence))
  })
}

test("what may differ between browsers does not matter", () => {
  for (const tokenBinding of [{ status: "supported" }, { status: "not-supported" }]) {
    assert.equal(verifyAssertion(evidenceBy(passkey, { tokenBinding }), expected).isUserVerified, true)
  }
  const extended = { flags: 0x85, trailing: Buffer.from("a1646372656401", "hex") }
  assert.equal(verifyAssertion(evidenceBy(passkey, extended), expected).isBackedUp, false)
})

test("client data in which a name comes twice is refused: two readers may read it differently", () => {
  const evidence = evidenceBy(passkey)
  const text = Buffer.from(evidence.clientDataJSON, "base64url").toString()
  const twice = Buffer.from(text.replace("{", '{"origin":"https://evil.example",'))
  const message = Buffer.concat([Buffer.from(evidence.authenticatorData, "base64url"), sha256(twice)])
  const signature = base64url(sign("sha256", message, passkey.privateKey))
  const changed = { ...evidence, clientDataJSON: base64url(twice), signature }
  assert.throws(() => verifyAssertion(changed, expected), notVerified(/cannot be read/))
})

test("another key's signature is no signature of this one", () => {
  const other = evidenceBy(softwarePasskey())
  const mixed = { ...evidenceBy(passkey), publicKey: other.publicKey }
  assert.throws(() => verifyAssertion(mixed, expected), notVerified(/signature does not verify/))
})

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[bit >> 3]! ^= 1 << (bit & 7)
  return copy
}
