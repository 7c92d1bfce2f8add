import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import fc from "fast-check"
import { openKeyring, readKeyFile } from "#kernel"

const key = randomBytes(32)
const keyring = openKeyring(key)
const unusable = { name: "Refusal", code: "key-unusable" }

test("what was sealed opens again in its own place", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string(), (plaintext, context) => {
      assert.deepEqual(keyring.open(context, keyring.seal(context, plaintext)), Buffer.from(plaintext))
    }),
  )
})

test("the same value is never sealed to the same text", () => {
  assert.notEqual(keyring.seal("a", "value"), keyring.seal("a", "value"))
})

test("another key-encryption key does not open it", () => {
  const sealed = keyring.seal("a", "value")
  assert.throws(() => openKeyring(randomBytes(32)).open("a", sealed), unusable)
})

test("an older key still opens what it sealed, and seals nothing new", () => {
  const sealed = keyring.seal("a", "value")
  const newer = openKeyring(randomBytes(32), [key])
  assert.equal(newer.open("a", sealed).toString(), "value")
  assert.deepEqual([newer.isCurrent(sealed), keyring.isCurrent(sealed)], [false, true])
  assert.throws(() => keyring.open("a", newer.seal("a", "value")), unusable)
})

test("a value that was moved to another place does not open", () => {
  assert.throws(
    () => keyring.open("credentials.resources/b", keyring.seal("credentials.resources/a", "value")),
    unusable,
  )
})

test("parts of two sealed values do not make a third", () => {
  const [one, two] = [keyring.seal("a", "one").split("."), keyring.seal("a", "two").split(".")]
  assert.throws(() => keyring.open("a", [...one.slice(0, 3), two[3]].join(".")), unusable)
})

test("no flipped bit, cut or addition goes unnoticed", () => {
  const sealed = keyring.seal("a", "value")
  for (let at = 0; at < sealed.length; at++) {
    const other = sealed[at] === "A" ? "B" : "A"
    assert.throws(() => keyring.open("a", sealed.slice(0, at) + other + sealed.slice(at + 1)), unusable, `at ${at}`)
    assert.throws(() => keyring.open("a", sealed.slice(0, at)), unusable, `cut at ${at}`)
  }
  assert.throws(() => keyring.open("a", `${sealed}A`), unusable)
  assert.throws(() => keyring.open("a", `${sealed}.A`), unusable)
})

test("a shortened authentication tag is not accepted", () => {
  const [version, name, wrapped, body] = keyring.seal("a", "").split(".")
  // 12 bytes of nonce and the first 4 of the tag: 2^32 guesses instead of 2^128.
  const short = Buffer.from(body!, "base64url").subarray(0, 16).toString("base64url")
  assert.throws(() => keyring.open("a", [version, name, wrapped, short].join(".")), unusable)
})

test("a key-encryption key of another length is refused", () => {
  for (const length of [0, 16, 31, 33]) assert.throws(() => openKeyring(randomBytes(length)), unusable)
})

test("a key file holds the key as base64url, with or without an ending newline", () => {
  const folder = mkdtempSync(join(tmpdir(), "safeconduct-key-"))
  try {
    const path = join(folder, "key")
    for (const ending of ["", "\n"]) {
      writeFileSync(path, key.toString("base64url") + ending)
      assert.deepEqual(readKeyFile(path), [key])
    }
    const other = randomBytes(32)
    writeFileSync(path, `${key.toString("base64url")}\n\n${other.toString("base64url")}\n`)
    assert.deepEqual(readKeyFile(path), [key, other])
    for (const text of [
      "",
      `${key.toString("base64url")}\nA`,
      `${key.toString("base64url")} ${other.toString("base64url")}`,
      key.toString("hex"),
      key.subarray(1).toString("base64url"),
      `${"A".repeat(42)}+`,
    ]) {
      writeFileSync(path, text)
      assert.throws(() => readKeyFile(path), unusable, text)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})
