import assert from "node:assert/strict"
import { createHash, createHmac } from "node:crypto"
import { test } from "node:test"
import { Secret } from "#kernel"
import { newPassword, scramVerifier } from "./scram.ts"

// RFC 7677 §3: user "user", password "pencil".
const SALT = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64")
const AUTH_MESSAGE = [
  "n=user,r=rOprNGfwEbeRWgbNEkqO",
  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
].join(",")
const CLIENT_PROOF = Buffer.from("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "base64")
const SERVER_SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

test("the verifier accepts the proof and makes the signature of RFC 7677 §3", async () => {
  const verifier = await scramVerifier(new Secret("pencil"), { iterations: 4096, salt: SALT })
  const [, stored, server] = /^SCRAM-SHA-256\$4096:W22ZaJ0SNY7soEsUEjb6gQ==\$([^:]+):(.+)$/.exec(verifier)!
  const signature = createHmac("sha256", Buffer.from(stored!, "base64")).update(AUTH_MESSAGE).digest()
  const clientKey = Buffer.from(CLIENT_PROOF.map((byte, at) => byte ^ signature[at]!))
  assert.equal(createHash("sha256").update(clientKey).digest("base64"), stored)
  assert.equal(
    createHmac("sha256", Buffer.from(server!, "base64")).update(AUTH_MESSAGE).digest("base64"),
    SERVER_SIGNATURE,
  )
})

test("two verifiers of one password differ by their salt", async () => {
  const password = newPassword()
  assert.notEqual(await scramVerifier(password, { iterations: 1 }), await scramVerifier(password, { iterations: 1 }))
})

test("a password that SASLprep would change is refused", async () => {
  await assert.rejects(scramVerifier(new Secret("pässword"), { iterations: 1 }), TypeError)
  await assert.rejects(scramVerifier(new Secret(""), { iterations: 1 }), TypeError)
})

test("a new password carries 256 bits and prints as nothing", () => {
  const password = newPassword()
  assert.match(password.reveal(), /^[\w-]{43}$/)
  assert.equal(`${password} ${JSON.stringify({ password })}`, '[secret] {"password":"[secret]"}')
})
