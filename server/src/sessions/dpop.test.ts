import assert from "node:assert/strict"
import { createPublicKey, generateKeyPairSync, randomUUID } from "node:crypto"
import { test } from "node:test"
import fc from "fast-check"
import { EmbeddedJWK, jwtVerify } from "jose"
import { refusalCode, systemClock } from "#kernel"
import { openProofs } from "./dpop.ts"
import type { Nonces } from "./nonces.ts"
import { hashOf, newSigner, seconds, unsigned } from "./proof.fixture.ts"

const issuer = "https://safeconduct.example"
const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code
const careless: Nonces = { current: () => "", requireOwn: (nonce) => nonce ?? "", use: () => undefined }
const proofs = openProofs({ issuer, nonces: careless, clock: systemClock })
const own = await newSigner()
const asked = { method: "POST", path: "/v1/actions" }
const right = { htm: "POST", htu: `${issuer}/v1/actions`, nonce: "n" }

/**
 * Figures 1, 12 and 13 of RFC 9449 (§4.1, §7.1; © IETF Trust, Revised BSD License for code components): proofs by one
 * key, whose thumbprint stands in figure 10.
 */
const rfc = {
  jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
  atToken:
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
  atResource:
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
  token: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
}

test("the proofs of RFC 9449 are good at their time, for their URLs, methods and token", () => {
  const at = (iat: number, origin: string) =>
    openProofs({ issuer: origin, nonces: careless, clock: { nowMs: () => iat * 1000 } })
  const asServer = at(1_562_262_616, "https://server.example.com")
  const first = asServer.read({ jwt: rfc.atToken, method: "POST", path: "/token" })
  assert.deepEqual([first.jkt, first.jti, first.ath], [rfc.jkt, "-BwC3ESc6acc2lTc", null])
  const asResource = at(1_562_262_618, "https://resource.example.org")
  const second = asResource.read({ jwt: rfc.atResource, method: "GET", path: "/protectedresource" })
  assert.deepEqual([second.jkt, second.jti], [rfc.jkt, "e1j3V_bKic8-LAEB"])
  asResource.requireToken(second, rfc.token)
  for (const wrong of [`${rfc.token}x`, ""]) {
    assert.throws(() => asResource.requireToken(second, wrong), refusesWith("dpop-proof-invalid"))
  }
  assert.throws(() => asServer.requireToken(first, rfc.token), refusesWith("dpop-proof-invalid"), "it has no ath")
  assert.throws(
    () =>
      at(1_562_262_616 + 61, "https://server.example.com").read({ jwt: rfc.atToken, method: "POST", path: "/token" }),
    refusesWith("dpop-proof-invalid"),
  )
})

test("a proof that jose made is good, once and again while its key is remembered, and says whose key it is", async () => {
  for (const htu of [right.htu, `${right.htu}?a=1#b`, "https://SAFECONDUCT.example:443/v1/actions"]) {
    const proof = proofs.read({ ...asked, jwt: await own.proof({ ...right, htu, ath: hashOf("token") }) })
    assert.deepEqual([proof.jkt, proof.keyThumbprint, proof.nonce], [own.jkt, own.keyThumbprint, "n"])
    proofs.requireToken(proof, "token")
  }
})

test("a proof that is not exactly for this request, by the key in it, now, is refused", async () => {
  const other = await newSigner()
  const published = createPublicKey(own.privateKey)
  const pem = Buffer.from(published.export({ format: "pem", type: "spki" }))
  const { privateKey: rsa } = generateKeyPairSync("rsa", { modulusLength: 2_048 })
  const { privateKey: p384, publicKey: p384Public } = generateKeyPairSync("ec", { namedCurve: "P-384" })
  const header = { typ: "dpop+jwt", alg: "ES256", jwk: own.jwk }
  const claims = { ...right, jti: randomUUID(), iat: seconds() }
  const good = await own.proof(right)
  const [head, body, signature] = good.split(".") as [string, string, string]
  const { d } = own.privateKey.export({ format: "jwk" })
  const wrong: Record<string, string | null> = {
    "no proof": null,
    "an empty one": "",
    "two of them": `${good}, ${await own.proof(right)}`,
    "no JWS": "a.b.c",
    "four parts": `${good}.`,
    "alg none": unsigned({ ...header, alg: "none" }, claims),
    "alg none with a signature": unsigned({ ...header, alg: "none" }, claims, signature),
    "alg None": unsigned({ ...header, alg: "None" }, claims),
    "HS256 with the public key as secret": await own.proof(right, { alg: "HS256" }, pem),
    "HS256 with the JWK as secret": await own.proof(right, { alg: "HS256" }, Buffer.from(JSON.stringify(own.jwk))),
    "an RS256 header over our signature": unsigned({ ...header, alg: "RS256" }, claims, signature),
    "RS256 by an RSA key": await own.proof(right, { alg: "RS256" }, rsa),
    "ES384 by a P-384 key": await own.proof(right, { alg: "ES384", jwk: p384Public.export({ format: "jwk" }) }, p384),
    "a symmetric key in jwk": await own.proof(right, { jwk: { kty: "oct", k: "c2VjcmV0" } as never }),
    "no key": await own.proof(right, { jwk: undefined as never }),
    "the private key in jwk": await own.proof(right, { jwk: { ...own.jwk, d: d! } as never }),
    "another's key in jwk": await own.proof(right, { jwk: other.jwk }),
    "another's signature": await own.proof(right, {}, other.privateKey),
    "a point that is not on the curve": await own.proof(right, { jwk: { ...own.jwk, y: own.jwk.x! } }),
    "a coordinate in another spelling": await own.proof(right, { jwk: { ...own.jwk, x: respelt(own.jwk.x!) } }),
    "a signature in another spelling": `${head}.${body}.${respelt(signature)}`,
    "a DER signature": `${head}.${body}.${Buffer.concat([Buffer.from("3044", "hex"), Buffer.alloc(68)]).toString("base64url")}`,
    "another type": await own.proof(right, { typ: "JWT" }),
    "an access token's type": await own.proof(right, { typ: "at+jwt" }),
    "a critical extension": unsigned({ ...header, crit: ["b64"], b64: false }, claims, signature),
    "a member twice": `${Buffer.from(`{"typ":"dpop+jwt","alg":"ES256","alg":"ES256","jwk":${JSON.stringify(own.jwk)}}`).toString("base64url")}.${body}.${signature}`,
    "another method": await own.proof({ ...right, htm: "GET" }),
    "the method in small letters": await own.proof({ ...right, htm: "post" }),
    "another path": await own.proof({ ...right, htu: `${issuer}/v1/sessions` }),
    "the path with a slash more": await own.proof({ ...right, htu: `${right.htu}/` }),
    "another host": await own.proof({ ...right, htu: "https://safeconduct.example.evil.example/v1/actions" }),
    "another scheme": await own.proof({ ...right, htu: right.htu.replace("https", "http") }),
    "another port": await own.proof({ ...right, htu: "https://safeconduct.example:8443/v1/actions" }),
    "a user in the URL": await own.proof({ ...right, htu: "https://a@safeconduct.example/v1/actions" }),
    "no URL": await own.proof({ ...right, htu: "/v1/actions" }),
    "an old one": await own.proof({ ...right, iat: seconds() - 62 }),
    "one from the future": await own.proof({ ...right, iat: seconds() + 62 }),
    "a time that is text": await own.proof({ ...right, iat: String(seconds()) as never }),
    "no time": await own.proof({ ...right, iat: undefined }),
    "no jti": await own.proof({ ...right, jti: undefined }),
    "a jti that is too short to be one": await own.proof({ ...right, jti: "1" }),
    "a jti that is too long": await own.proof({ ...right, jti: "j".repeat(129) }),
    "no htm": await own.proof({ ...right, htm: undefined }),
    "no htu": await own.proof({ ...right, htu: undefined }),
    "one too long to look at": await own.proof({ ...right, padding: "x".repeat(4_096) }),
    "a changed claim": `${head}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`,
    "a changed signature": `${head}.${body}.${Buffer.alloc(64, 7).toString("base64url")}`,
  }
  for (const [what, jwt] of Object.entries(wrong)) {
    assert.throws(() => proofs.read({ ...asked, jwt }), refusesWith("dpop-proof-invalid"), what)
  }
  // None of them spoils the good one.
  assert.equal(proofs.read({ ...asked, jwt: good }).jkt, own.jkt)
})

test("whatever is sent as a proof is refused, and never stumbled over", async () => {
  const [head, body, signature] = (await own.proof(right)).split(".") as [string, string, string]
  const part = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.json().map((text) => Buffer.from(text).toString("base64url")),
    fc.constantFrom(head, body, signature, ""),
  )
  const isBad = ([a, b, c]: string[]) => a !== head || b !== body || c !== signature
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
      if (parts.length === 3 && !isBad(parts)) return
      assert.throws(() => proofs.read({ ...asked, jwt: parts.join(".") }), refusesWith("dpop-proof-invalid"))
    }),
    { numRuns: 300 },
  )
})

test("jose finds the same key in a proof as we do", async () => {
  const jwt = await own.proof({ ...right, ath: hashOf("token") })
  const { payload } = await jwtVerify(jwt, EmbeddedJWK, { typ: "dpop+jwt", algorithms: ["ES256"] })
  assert.equal(proofs.read({ ...asked, jwt }).jti, payload.jti)
})

/** The same bytes in base64url that is not canonical: the last character holds bits that mean nothing. */
function respelt(text: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  const last = alphabet.indexOf(text.at(-1)!)
  return text.slice(0, -1) + alphabet[last + 1]
}
