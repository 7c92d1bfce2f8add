import assert from "node:assert/strict"
import { sign, verify } from "node:crypto"
import { test } from "node:test"
import { generateKey, listKeys, publicKeyOf, readKeys, storeKey } from "#kernel"
import { testDatabase, testKeyring } from "#testing"

test("a stored key signs for every server that has the keyring, and no other", async () => {
  await using store = await testDatabase()
  const keyring = testKeyring()
  const key = generateKey()
  await storeKey(store.database, keyring, { ...key, use: "token", public: key.spki })
  const [stored, ...more] = await readKeys(store.database, keyring, "token")
  assert.deepEqual(more, [])
  assert.equal(stored!.kid, key.kid)
  const signature = sign("sha256", Buffer.from("text"), stored!.privateKey)
  assert.ok(verify("sha256", Buffer.from("text"), publicKeyOf(stored!.public), signature))
  await assert.rejects(readKeys(store.database, testKeyring(), "token"), { name: "Refusal", code: "key-unusable" })
})

test("the private part never rests in clear", async () => {
  await using store = await testDatabase()
  const key = generateKey()
  await storeKey(store.database, testKeyring(), { ...key, use: "token", public: key.spki })
  const [row] = await store.owner.query<{ text: string }>("select keys::text as text from kernel.keys")
  const pkcs8 = key.privateKey.export({ type: "pkcs8", format: "der" })
  for (const encoding of ["hex", "base64", "base64url"] as const) {
    assert.ok(!row!.text.includes(pkcs8.subarray(36, 68).toString(encoding)))
  }
})

test("a key sealed under one name is of no use under another", async () => {
  await using store = await testDatabase()
  const keyring = testKeyring()
  const [mine, other] = [generateKey(), generateKey()]
  for (const key of [mine, other]) await storeKey(store.database, keyring, { ...key, use: "token", public: key.spki })
  await store.owner.query("update kernel.keys set sealed = (select sealed from kernel.keys where kid = $1)", [mine.kid])
  await assert.rejects(readKeys(store.database, keyring, "token"), { code: "key-unusable" })
})

test("storing a key again changes nothing", async () => {
  await using store = await testDatabase()
  const keyring = testKeyring()
  const key = generateKey()
  for (const use of ["token", "ca-root"] as const)
    await storeKey(store.database, keyring, { ...key, use, public: key.spki })
  assert.deepEqual(
    (await listKeys(store.database)).map(({ kid, use }) => [kid, use]),
    [[key.kid, "token"]],
  )
})

test("the newest active key comes first, one that is not active yet last, a retired one not at all", async () => {
  await using store = await testDatabase()
  const keyring = testKeyring()
  const made = Object.fromEntries(["old", "new", "later", "retired"].map((name) => [name, generateKey()]))
  for (const key of Object.values(made))
    await storeKey(store.database, keyring, { ...key, use: "token", public: key.spki })
  const set = (name: string, sql: string) =>
    store.owner.query(`update kernel.keys set ${sql} where kid = $1`, [made[name]!.kid])
  await set("old", "active_from = now() - interval '2 days'")
  await set("new", "active_from = now() - interval '1 day'")
  await set("later", "active_from = now() + interval '1 day'")
  await set("retired", "retired_at = now()")
  const kids = (await readKeys(store.database, keyring, "token")).map(({ kid }) => kid)
  assert.deepEqual(kids, [made["new"]!.kid, made["old"]!.kid, made["later"]!.kid])
  assert.equal((await listKeys(store.database)).length, 4)
})
