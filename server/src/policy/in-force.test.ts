import assert from "node:assert/strict"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { migrations as auditMigrations, createLogKey, openAudit, openFileSigner } from "#audit"
import { bumpEpoch, refusalCode, silentLog, systemClock, watchEpoch } from "#kernel"
import { testDatabase } from "#testing"
import { type Document, events, migrations, openPolicy, parse, question, routes } from "./index.ts"

const olga = "spiffe://example.org/operator/olga"
const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code
const readKb = question({
  agents: ["support-bot"],
  purpose: "answer-questions",
  action: { type: "credential", resource: "kb", operation: "read" },
})
const permitting: Document = {
  purposes: { "answer-questions": { description: "Fragen beantworten – für Besucher" } },
  policies: [{ file: "kb.cedar", text: '@id("kb-read") permit(principal, action, resource);' }],
}

/** A deployment of its own with one server, that hears of changes when told. */
async function openTestPolicy() {
  const stack = new AsyncDisposableStack()
  const store = await testDatabase({ rooms: [auditMigrations, migrations] })
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-policy-"))
  stack.defer(() => rm(folder, { recursive: true }))
  stack.use(store)
  const [keyPath, origin] = [join(folder, "log.key"), "example.org/log/1"]
  await createLogKey(keyPath, origin)
  const { database } = store
  const signer = await openFileSigner(keyPath, origin)
  const audit = stack.use(await openAudit({ database, clock: systemClock, log: silentLog, signer, origin, events }))
  const another = async () => {
    const epoch = stack.use(await watchEpoch({ database, log: silentLog, pollMs: 3_600_000 }))
    return { epoch, policy: await openPolicy({ database, audit, epoch, log: silentLog }) }
  }
  const first = await another()
  return {
    ...first,
    store,
    audit,
    another,
    async apply(document: Document) {
      const version = await audit.commit(first.policy.replace(document, parse(document.policies), olga))
      await first.epoch.refresh()
      return version.result
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

test("before the first version everything is denied, in words", async () => {
  await using room = await openTestPolicy()
  assert.equal(room.policy.version(), null)
  assert.deepEqual(room.policy.decide(readKb), {
    verdict: "deny",
    policies: [],
    reasons: ["No policy permits support-bot to read kb for answer-questions."],
    errors: [],
    asks: [],
    tells: false,
    version: null,
  })
})

test("an applied version decides on every server, is recorded, and is still there after a restart", async () => {
  await using room = await openTestPolicy()
  const other = await room.another()
  const version = await room.apply(permitting)
  assert.deepEqual(version.document, permitting)
  await other.epoch.refresh()
  for (const { policy } of [room, other, await room.another()]) {
    const decision = policy.decide(readKb)
    assert.deepEqual([decision.verdict, decision.version], ["allow", version.digest])
    assert.deepEqual(policy.version(), version)
  }
  const [entry] = (await room.audit.entries({ event: "policy.applied" })).entries
  assert.deepEqual([entry!.leaf.by, entry!.leaf.data], [olga, { digest: version.digest, policies: 1 }])
})

test("taking a permit away denies from the next epoch on, and an old version can come back", async () => {
  await using room = await openTestPolicy()
  const first = await room.apply(permitting)
  await room.apply({ ...permitting, policies: [] })
  assert.equal(room.policy.decide(readKb).verdict, "deny")
  const again = await room.apply(permitting)
  assert.equal(again.digest, first.digest)
  assert.equal(room.policy.decide(readKb).verdict, "allow")
  const [row] = await room.store.owner.query<{ count: number }>("select count(*) from policy.versions")
  assert.equal(row!.count, 2)
})

test("a version that was altered in the database allows nothing, until a good one is applied", async () => {
  await using room = await openTestPolicy()
  await room.apply({ ...permitting, policies: [] })
  await room.store.owner.query("update policy.versions set document = $1", [JSON.stringify(permitting)])
  const { policy, epoch } = await room.another()
  assert.throws(() => policy.decide(readKb), refusesWith("policy-broken"))
  assert.throws(() => policy.inForce(), refusesWith("policy-broken"))
  assert.throws(() => policy.version(), refusesWith("policy-broken"))
  await room.apply(permitting)
  await epoch.refresh()
  assert.equal(policy.decide(readKb).verdict, "allow")
})

test("one altered under a server that runs is noticed, put back by the same document, and what it was is kept", async () => {
  await using room = await openTestPolicy()
  const { digest } = await room.apply(permitting)
  const { policy, epoch } = await room.another()
  assert.equal(policy.decide(readKb).verdict, "allow")
  await room.store.owner.query("update policy.versions set document = '{}'")
  await room.store.database.transaction(bumpEpoch)
  await epoch.refresh()
  assert.throws(() => policy.decide(readKb), refusesWith("policy-broken"))
  assert.equal((await room.apply(permitting)).digest, digest)
  await epoch.refresh()
  assert.equal(policy.decide(readKb).verdict, "allow")
  const kept = await room.store.owner.query("select document from policy.versions where digest like '% altered %'")
  assert.deepEqual(kept, [{ document: {} }])
})

test("a stored version that this server cannot parse allows nothing, also when it had a good one before", async () => {
  await using room = await openTestPolicy()
  await room.apply(permitting)
  const { policy, epoch } = await room.another()
  assert.equal(policy.decide(readKb).verdict, "allow")
  const newer = {
    policies: [{ file: "new.cedar", text: '@id("new") @fromTheFuture("1") permit(principal, action, resource);' }],
  }
  // As another version of the product would have stored it.
  const set = { ...parse([]), files: newer.policies }
  await room.audit.commit(policy.replace(newer, set, olga))
  await epoch.refresh()
  assert.throws(() => policy.decide(readKb), refusesWith("policy-broken"))
})

test("a document cannot be applied with another document's policies", async () => {
  await using room = await openTestPolicy()
  assert.throws(() => room.policy.replace(permitting, parse([]), olga), TypeError)
  assert.throws(() => room.policy.replace({ policies: [] }, parse(permitting.policies), olga), TypeError)
})

test("a document with a NUL character is refused, and what is in force stays", async () => {
  await using room = await openTestPolicy()
  const version = await room.apply(permitting)
  await assert.rejects(room.apply({ ...permitting, agents: { bot: "\0" } }), refusesWith("policy-invalid"))
  assert.equal(room.policy.version()!.digest, version.digest)
})

test("the server's role can neither change nor remove a version", async () => {
  await using room = await openTestPolicy()
  await room.apply(permitting)
  const { database } = room.store
  const isForbidden = { code: "42501" }
  await assert.rejects(database.query("update policy.versions set document = '{}'"), isForbidden)
  await assert.rejects(database.query("delete from policy.versions"), isForbidden)
  await assert.rejects(database.query("delete from policy.in_force"), isForbidden)
})

test("the version in force can be read", async () => {
  await using room = await openTestPolicy()
  const read = () => routes(room.policy)[0]!.handle({} as never)
  assert.deepEqual(await read(), { digest: null, appliedAt: null, appliedBy: null, document: null })
  const version = await room.apply(permitting)
  assert.deepEqual(await read(), {
    digest: version.digest,
    appliedAt: version.appliedAt.toISOString(),
    appliedBy: olga,
    document: permitting,
  })
})
