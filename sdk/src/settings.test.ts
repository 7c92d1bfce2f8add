import assert from "node:assert/strict"
import { test } from "node:test"
import { inspect } from "node:util"
import { settingsOf } from "./settings.ts"
import type { PostgresCredential } from "./wire.ts"

const credential: PostgresCredential = {
  engine: "postgres",
  host: "10.0.0.7",
  port: 5433,
  database: "kb",
  user: "sc_d_1",
  password: "hunter2",
  tls: "verify-full",
}

test("the driver reads the password, and nothing that prints or serialises settings shows it", () => {
  const settings = settingsOf(credential)
  assert.equal(settings.password, "hunter2")
  assert.equal({ ...settings }.password, "hunter2")
  for (const text of [
    inspect(settings),
    inspect({ nested: { settings } }, { depth: 9 }),
    JSON.stringify({ settings }),
    `${inspect(settings, { showHidden: true })}`,
  ]) {
    assert.equal(text.includes("hunter2"), false, text)
    assert.ok(text.includes("kb"))
  }
})

test("the certificate is checked unless the resource says otherwise", () => {
  const ssl = (tls: PostgresCredential["tls"], ca?: string) => settingsOf({ ...credential, tls, ...(ca && { ca }) }).ssl
  assert.deepEqual(ssl("verify-full"), { host: "10.0.0.7", rejectUnauthorized: true })
  assert.deepEqual(ssl("verify-full", "PEM"), { host: "10.0.0.7", rejectUnauthorized: true, ca: "PEM" })
  assert.deepEqual(ssl("require"), { host: "10.0.0.7", rejectUnauthorized: false })
  assert.equal(ssl("disable"), false)
})
