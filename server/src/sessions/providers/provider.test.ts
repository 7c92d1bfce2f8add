import assert from "node:assert/strict"
import { test } from "node:test"
import { Unreachable } from "./fetch.ts"
import { parseProviders } from "./part.ts"
import { type FakeProvider, newKey, startFakeProvider } from "./provider.fixture.ts"
import { openProvider } from "./provider.ts"

function open({ issuer }: FakeProvider, clock: { ms: number }) {
  const part = parseProviders({ shop: { issuer, clientId: "safeconduct", network: "loopback" } })
  return openProvider("shop", part["shop"]!, { clock: { nowMs: () => clock.ms } })
}
const discovery = "/.well-known/openid-configuration"

test("metadata and keys are fetched once for many who ask at once, and again when they are old", async () => {
  await using fake = await startFakeProvider()
  const clock = { ms: 1e12 }
  const provider = open(fake, clock)
  const keys = await Promise.all(Array.from({ length: 20 }, () => provider.key("ES256", "key-1")))
  assert.ok(keys.every((key) => key !== null))
  assert.deepEqual([fake.count(discovery), fake.count("/jwks")], [1, 1])
  clock.ms += 11 * 60_000
  await provider.key("ES256", "key-1")
  assert.deepEqual([fake.count(discovery), fake.count("/jwks")], [1, 2])
  clock.ms += 61 * 60_000
  await provider.key("ES256", "key-1")
  assert.deepEqual([fake.count(discovery), fake.count("/jwks")], [2, 3])
})

test("a key that the provider has changed to is found at once, and the old one is not believed any more", async () => {
  await using fake = await startFakeProvider()
  const clock = { ms: 1e12 }
  const provider = open(fake, clock)
  assert.notEqual(await provider.key("ES256", "key-1"), null)
  const next = await newKey("key-2")
  fake.jwks = { keys: [next.jwk] }
  clock.ms += 6_000
  assert.notEqual(await provider.key("ES256", "key-2"), null)
  assert.equal(await provider.key("ES256", "key-1"), null)
})

test("names that nobody has make the provider be asked once in a while, not for each", async () => {
  await using fake = await startFakeProvider()
  const clock = { ms: 1e12 }
  const provider = open(fake, clock)
  for (let n = 0; n < 50; n += 1) assert.equal(await provider.key("ES256", `forged-${n}`), null)
  assert.equal(fake.count("/jwks"), 1)
  clock.ms += 6_000
  for (let n = 0; n < 50; n += 1) assert.equal(await provider.key("ES256", `forged-${n}`), null)
  assert.equal(fake.count("/jwks"), 2)
})

test("a provider that cannot be reached is not asked by everybody, and what it said a moment ago still holds", async () => {
  await using fake = await startFakeProvider()
  const clock = { ms: 1e12 }
  const provider = open(fake, clock)
  await provider.key("ES256", "key-1")
  fake.answers.set("/jwks", () => ({ status: 503 }))
  clock.ms += 6_000
  await assert.rejects(provider.key("ES256", "forged"), Unreachable)
  assert.notEqual(await provider.key("ES256", "key-1"), null)
  clock.ms += 11 * 60_000
  for (let n = 0; n < 10; n += 1) await assert.rejects(provider.key("ES256", "key-1"), Unreachable)
  assert.equal(fake.count("/jwks"), 3)
})

test("pitfall 28: metadata that another issuer wrote is not used", async () => {
  await using fake = await startFakeProvider()
  fake.metadata["issuer"] = "https://id.shop.example"
  await assert.rejects(open(fake, { ms: 1e12 }).metadata(), Unreachable)
  assert.equal(fake.count("/jwks"), 0)
})

test("pitfall 17: a place in the metadata is reached by the same guard as the metadata", async () => {
  await using fake = await startFakeProvider()
  for (const jwks_uri of [
    "http://10.0.0.1/jwks",
    "http://169.254.169.254/latest/meta-data",
    "https://127.0.0.2/jwks",
  ]) {
    fake.metadata["jwks_uri"] = jwks_uri
    await assert.rejects(open(fake, { ms: 1e12 }).key("ES256", "key-1"), Unreachable, jwks_uri)
  }
})

test("an answer that is no JSON, or JSON that two readers read differently, is not believed", async () => {
  await using fake = await startFakeProvider()
  for (const body of ["<html>", "", '{"keys": [], "keys": []}', '{"keys": [], "__proto__": {}}']) {
    fake.answers.set("/jwks", () => ({ body, headers: { "content-type": "application/json" } }))
    await assert.rejects(open(fake, { ms: 1e12 }).key("ES256", "key-1"), Unreachable, body)
  }
})
