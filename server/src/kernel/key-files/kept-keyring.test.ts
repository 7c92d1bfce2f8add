import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { test } from "node:test"
import { silentLog, systemClock } from "#kernel"
import { testDatabase } from "#testing"
import { watchEpoch } from "../epoch.ts"
import { keyName, openKeyring } from "../keyring.ts"
import { generateKey, readKeys, resealKeys, storeKey } from "../keys.ts"
import { openKeptKeyring } from "./kept-keyring.ts"
import { allSealWith, announceServer, countServersWithout } from "./servers.ts"

const [first, second, third] = [randomBytes(32), randomBytes(32), randomBytes(32)]

/** A host with a key file of its own. */
async function host(store: Awaited<ReturnType<typeof testDatabase>>, ...keys: Buffer[]) {
  const file = { keys }
  const keyring = await openKeptKeyring({ database: store.database, path: "the file", read: () => file.keys })
  return { file, keyring }
}

test("the first key of the first server seals, and a server without it does not start", async () => {
  await using store = await testDatabase()
  const one = await host(store, first)
  const two = await host(store, first, second)
  assert.deepEqual([one.keyring.sealing(), two.keyring.sealing()], [keyName(first), keyName(first)])
  assert.equal(two.keyring.open("a", one.keyring.seal("a", "value")).toString(), "value")
  assert.deepEqual([one.keyring.next(), two.keyring.next()], [null, keyName(second)])
  await assert.rejects(host(store, second), (error: Error & { code?: string }) => {
    assert.equal(error.code, "key-unusable")
    assert.match(
      error.message,
      new RegExp(`sealed by the key ${keyName(first)}, and the file holds ${keyName(second)}`),
    )
    assert.equal(error.message.includes(second.toString("base64url")), false)
    return true
  })
})

test("in a database of an earlier version what seals is the key of what rests there, not the first of a file", async () => {
  await using store = await testDatabase()
  const key = generateKey()
  await storeKey(store.database, openKeyring(first), { ...key, use: "token", public: key.spki })
  await assert.rejects(host(store, second), { code: "key-unusable" })
  assert.equal((await host(store, second, first)).keyring.sealing(), keyName(first))
})

test("what one server chooses seals on every server that reads again, and values are sealed anew once", async () => {
  await using store = await testDatabase()
  const [one, two] = [await host(store, first), await host(store, first)]
  const key = generateKey()
  await storeKey(store.database, one.keyring, { ...key, use: "token", public: key.spki })
  one.file.keys = two.file.keys = [first, second]
  await Promise.all([one, two].map(({ keyring }) => keyring.reload()))
  await store.database.transaction((tx) => one.keyring.choose(tx, keyName(second)))
  await assert.rejects(
    store.database.transaction((tx) => two.keyring.choose(tx, keyName(third))),
    { code: "epoch-changed" },
  )
  await Promise.all([one, two].map(({ keyring }) => keyring.reload()))
  assert.deepEqual([one.keyring.sealing(), two.keyring.sealing()], [keyName(second), keyName(second)])
  // The command repeated, as it is told to be where it was interrupted, must not go back to the key that was left.
  assert.equal(one.keyring.next(), null)
  assert.deepEqual(
    [await resealKeys(store.database, one.keyring), await resealKeys(store.database, two.keyring)],
    [1, 0],
  )
  one.file.keys = [second]
  await one.keyring.reload()
  assert.equal((await readKeys(store.database, one.keyring, "token"))[0]!.kid, key.kid)
})

test("a file that lacks the key that seals changes nothing", async () => {
  await using store = await testDatabase()
  const { file, keyring } = await host(store, first)
  const sealed = keyring.seal("a", "value")
  file.keys = [second]
  await assert.rejects(keyring.reload(), { code: "key-unusable" })
  assert.equal(keyring.open("a", sealed).toString(), "value")
})

test("servers say what their files hold, hear of a choice, and are forgotten when they stop", async () => {
  await using store = await testDatabase()
  await using epoch = await watchEpoch({ database: store.database, log: silentLog, clock: systemClock })
  const common = { database: store.database, epoch, log: silentLog, logKeys: () => ["log+1"], everyMs: 5 }
  const { file, keyring } = await host(store, first)
  const bare = await host(store, first)
  const stack = new AsyncDisposableStack()
  stack.use(await announceServer({ ...common, keyring, reload: keyring.reload }))
  const other = await announceServer({ ...common, keyring: bare.keyring, reload: bare.keyring.reload })
  const without = (key: Buffer) => countServersWithout(store.database, { keyEncryptionKey: keyName(key) })
  assert.deepEqual([await without(first), await without(second)], [0, 2])
  assert.deepEqual(await countServersWithout(store.database, { logKey: "log+1" }), 0)
  file.keys = [first, second]
  while ((await without(second)) !== 1) await new Promise((resolve) => setTimeout(resolve, 5))
  await other[Symbol.asyncDispose]()
  assert.equal(await without(second), 0)

  await store.database.transaction((tx) => keyring.choose(tx, keyName(second)))
  await epoch.refresh()
  assert.equal(keyring.sealing(), keyName(second))
  assert.equal(await allSealWith(store.database, keyName(second)), true)
  // One that fell silent holds nothing up.
  await store.database.query("update kernel.servers set seen_at = now() - interval '1 minute', sealing = 'other'")
  await stack.disposeAsync()
  assert.equal(await allSealWith(store.database, keyName(second)), true)
})
