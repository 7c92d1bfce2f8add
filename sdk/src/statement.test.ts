import assert from "node:assert/strict"
import { generateKeyPairSync } from "node:crypto"
import { test } from "node:test"
import { jwtVerify } from "jose"
import { SafeconductError } from "./errors.ts"
import { signStatement } from "./statement.ts"

const about = {
  issuer: "https://safeconduct.example",
  application: "shop-web",
  agent: "support-bot",
  purpose: "order-help",
}

for (const [alg, pair] of [
  ["ES256", generateKeyPairSync("ec", { namedCurve: "P-256" })],
  ["EdDSA", generateKeyPairSync("ed25519")],
] as const) {
  test(`a statement by ${alg} verifies, is for one server alone, and new each time`, async () => {
    const request = "Where is my order 4711? \u2014 Ünïcödé"
    const user = { iss: "https://id.shop.example", sub: "alice" }
    const stated = { ...about, user, request, parameters: { order: "4711" } }
    const key = { privateKey: pair.privateKey, kid: "shop-1" }
    const text = signStatement(key, stated)
    const expected = {
      issuer: "shop-web",
      audience: about.issuer,
      subject: "support-bot",
      typ: "safeconduct-statement+jwt",
    }
    const { payload, protectedHeader } = await jwtVerify(text, pair.publicKey, { ...expected, requiredClaims: ["jti"] })
    assert.deepEqual(protectedHeader, { typ: "safeconduct-statement+jwt", alg, kid: "shop-1" })
    const { safeconduct_purpose, safeconduct_request, safeconduct_parameters, aud, iat, exp, jti } = payload
    assert.deepEqual([safeconduct_purpose, safeconduct_request], ["order-help", request])
    assert.deepEqual([safeconduct_parameters, aud, exp! - iat!], [{ order: "4711" }, about.issuer, 120])
    assert.deepEqual(payload["safeconduct_user"], user)
    const again = signStatement({ ...key, privateKey: pair.privateKey.export({ format: "jwk" }) }, stated)
    assert.notEqual((await jwtVerify(again, pair.publicKey)).payload.jti, jti)
    assert.equal("safeconduct_request" in (await jwtVerify(signStatement(key, about), pair.publicKey)).payload, false)
  })
}

test("a key of another kind signs nothing", () => {
  const pairs = [
    generateKeyPairSync("ec", { namedCurve: "P-384" }),
    generateKeyPairSync("rsa", { modulusLength: 2_048 }),
    generateKeyPairSync("x25519"),
  ]
  for (const { privateKey } of pairs) {
    const refused = (error: unknown) => error instanceof SafeconductError && error.code === "not-configured"
    assert.throws(() => signStatement({ privateKey, kid: "1" }, about), refused)
  }
  const { publicKey } = generateKeyPairSync("ed25519")
  assert.throws(() => signStatement({ privateKey: publicKey, kid: "1" }, about), { code: "not-configured" })
})
