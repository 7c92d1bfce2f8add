import assert from "node:assert/strict"
import { test } from "node:test"
import { decodeEntries, decodeTile, leafHash, tilePath, tilesOf, verifyProof } from "@safeconduct/tlog"
import { bumpEpoch, refusalCode } from "#kernel"
import { happened, newestSigned, openTestAudit, recompute } from "./fixture.ts"

test("the tree is the one of all leaves, tiles included, after batches of any size", async () => {
  await using t = await openTestAudit()
  for (let total = 0; total < 600; ) {
    const sizes = Array.from({ length: 1 + Math.floor(Math.random() * 20) }, () => Math.floor(Math.random() * 9))
    const all = await Promise.all(sizes.map((size) => t.audit.commit(happened(size))))
    for (const [at, { entries }] of all.entries()) assert.equal(entries.length, sizes[at])
    const indexes = all.flatMap(({ entries }) => entries.map(({ index }) => index))
    assert.deepEqual(
      indexes,
      indexes.map((_, at) => total + at),
    )
    total += indexes.length
  }
  const tree = await recompute(t.store.database)
  const { entries } = await t.audit.commit(happened())
  await t.audit.receipt(entries[0]!.id)
  assert.deepEqual(await newestSigned(t.audit, t.verifier), await recompute(t.store.database))

  const size = tree.size + 1
  const names = [...tilesOf(size)]
  assert.deepEqual(
    names.map(({ level }) => level),
    [0, 0, 0, 1],
  )
  const bottom: Uint8Array[] = []
  for (const { level, index, width } of names) {
    const tile = await t.audit.tile(tilePath(level, index, width))
    if (level === 0) bottom.push(...decodeTile(tile!.bytes, width)!)
    assert.equal(tile!.isFull, width === 256)
  }
  const leaves: Uint8Array[] = []
  for (let index = 0; index * 256 < size; index++) {
    const width = Math.min(256, size - index * 256)
    leaves.push(...decodeEntries((await t.audit.tile(tilePath("entries", index, width)))!.bytes, width))
  }
  assert.deepEqual(bottom.map(hex), leaves.map(leafHash).map(hex))
})

test("a partial tile is still served after it became full, and none beyond the log is", async () => {
  await using t = await openTestAudit()
  await t.audit.commit(happened(200))
  const before = await t.audit.tile("tile/0/000.p/200")
  assert.equal(await t.audit.tile("tile/0/000"), null)
  assert.equal(await t.audit.tile("tile/0/000.p/201"), null)
  await t.audit.commit(happened(100))
  assert.deepEqual(await t.audit.tile("tile/0/000.p/200"), before)
  assert.equal((await t.audit.tile("tile/0/000"))!.bytes.length, 8192)
  assert.equal((await t.audit.tile("tile/1/000.p/1"))!.bytes.length, 32)
  for (const path of [
    "tile/0/002",
    "tile/0/0",
    "tile/0/-01",
    "tile/64/000",
    "tile/0/000.p/256",
    "tile/00/000",
    "../x",
  ]) {
    assert.equal(await t.audit.tile(path), null)
  }
})

test("a receipt verifies offline with the public key, and for no other entry", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(300))
  for (const { id, index } of [entries[0]!, entries[255]!, entries[256]!, entries[299]!]) {
    const proof = await t.audit.receipt(id)
    const leaf = leafHash(Buffer.from((await t.audit.entry(id)).text))
    assert.equal((await verifyProof(proof, leaf, t.verifier)).index, index)
    await assert.rejects(verifyProof(proof, leafHash(Buffer.from("{}")), t.verifier), { code: "not-included" })
  }
  await assert.rejects(t.audit.receipt("entry_00000000000000000000000000"), { code: "not-found" })
})

test("a change and its entries take effect together or not at all", async () => {
  await using t = await openTestAudit()
  const failing = t.audit.commit({
    work: async (tx) => {
      await tx.query("insert into audit.intents values ('entry_x', 'test.begun', null, now())")
      return await tx.query("select 1 / 0")
    },
    entries: happened().entries,
  })
  const good = t.audit.commit(happened())
  await assert.rejects(failing, { code: "22012" })
  assert.equal((await good).entries[0]!.index, 0)
  assert.deepEqual(await t.store.database.query("select id from audit.intents"), [])
  assert.equal((await recompute(t.store.database)).size, 1)
})

test("a commit returns the epoch that held under the lock, its own bump included", async () => {
  await using t = await openTestAudit()
  const before = (await t.audit.commit(happened())).epoch
  const bumped = await t.audit.commit({ work: bumpEpoch, entries: happened().entries })
  assert.equal(bumped.epoch, before + 1)
  assert.equal((await t.audit.commit({ work: bumpEpoch, entries: () => [] })).epoch, before + 2)
})

test("a commit that waited for another server's bump returns the new epoch", async () => {
  await using t = await openTestAudit()
  const other = await t.another()
  const before = (await t.audit.commit(happened())).epoch
  const holding = Promise.withResolvers<void>()
  const isHeld = Promise.withResolvers<void>()
  const bump = t.store.database.transaction(async (tx) => {
    await bumpEpoch(tx)
    await tx.query("select from audit.head for update")
    isHeld.resolve()
    await holding.promise
  })
  await isHeld.promise
  const waiting = other.commit(happened())
  await untilBlocked(t.store.owner)
  holding.resolve()
  await bump
  assert.equal((await waiting).epoch, before + 1)
})

test("an event that no room names is a mistake and is not recorded", async () => {
  await using t = await openTestAudit()
  await assert.rejects(t.audit.commit(happened(1, { event: "test.unheard-of" })), TypeError)
  await assert.rejects(t.audit.commit({ work: async () => 1, ...happened(1, { event: "toString" }) }), TypeError)
  assert.equal((await recompute(t.store.database)).size, 0)
})

test("an entry of more than 65,535 bytes is refused and its neighbours are not", async () => {
  await using t = await openTestAudit()
  const large = (length: number) => happened(1, { data: { text: "x".repeat(length) } })
  const { entries } = await t.audit.commit(large(0))
  const rest = 65_535 - (await t.audit.entry(entries[0]!.id)).text.length
  const answers = await Promise.allSettled([
    t.audit.commit(large(rest + 1)),
    t.audit.commit({ work: async () => 1, ...large(rest + 1) }),
    t.audit.commit(large(rest)),
  ])
  assert.deepEqual(
    answers.map((answer) => (answer.status === "rejected" ? refusalCode(answer.reason) : "recorded")),
    ["entry-too-large", "entry-too-large", "recorded"],
  )
})

test("the server's role can neither change nor delete an entry, a tile or a checkpoint", async () => {
  await using t = await openTestAudit()
  await t.audit.commit(happened(300))
  const rewriting = ["entries set leaf = ''", "tiles set hashes = ''", "checkpoints set note = ''"].flatMap((set) => {
    const table = set.split(" ")[0]
    return [`update audit.${set}`, `delete from audit.${table}`, `truncate audit.${table}`]
  })
  const others = ["delete from audit.head", "delete from audit.disclosures", "drop table audit.entries"]
  for (const statement of [...rewriting, ...others]) {
    await assert.rejects(t.store.database.query(statement), { code: "42501" })
  }
})

test("a role that owns the log does not open it", async () => {
  await using t = await openTestAudit()
  const { store, keyPath } = t
  await assert.rejects(t.another({ database: store.owner, keyPath }), { code: "not-ready" })
  await store.owner.query("grant update on audit.tiles to public")
  await assert.rejects(t.another(), { code: "not-ready" })
})

test("a signer of another log is refused", async () => {
  await using t = await openTestAudit()
  await assert.rejects(t.another({ origin: "example.org/log/2" }), { code: "key-unusable" })
})

async function untilBlocked(owner: { query(text: string): Promise<object[]> }): Promise<void> {
  const blocked = "select from pg_locks where not granted"
  while ((await owner.query(blocked)).length === 0) await new Promise(setImmediate)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex")
}
