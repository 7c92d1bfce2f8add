import assert from "node:assert/strict"
import { test } from "node:test"
import { verifyLog, verifyReceipt } from "@safeconduct/tlog"
import { refusalCode } from "#kernel"
import { happened, openTestAudit } from "./fixture.ts"
import type { Audit } from "./open.ts"
import type { EntryPage, EntryView } from "./read.ts"
import { routes } from "./routes.ts"

const ann = { spiffeId: "spiffe://example.org/operator/ann" }

type Asked = { params?: Record<string, string>; query?: Record<string, string>; caller?: typeof ann | null }

/** Calls the route of that path as the interface would, its query checked. */
async function get(audit: Audit, path: string, { params = {}, query = {}, caller = ann }: Asked = {}) {
  const found = routes(audit).find((each) => each.path === path)!
  const request = { caller, params, query: found.query?.parse(query) ?? {}, body: undefined as never }
  return await found.handle({ ...request, headers: new Headers(), listener: "agents" })
}

async function readings(audit: Audit) {
  return (await audit.entries({ event: "audit.read" })).entries.map(({ leaf: { by, data } }) => ({ by, data }))
}

test("reading entries is recorded before they are answered, with the caller and what was asked", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(5, { session: "session_1" }))
  const query = { from: "1", limit: "2", event: "test.happened", session: "session_1" }
  const page = (await get(t.audit, "/v1/audit/entries", { query })) as EntryPage
  assert.deepEqual(
    page.entries.map(({ index }) => index),
    [1, 2],
  )
  assert.deepEqual({ next: page.next, size: page.size }, { next: 3, size: 6 })
  const { id } = entries[4]!
  assert.equal(((await get(t.audit, "/v1/audit/entries/{id}", { params: { id } })) as EntryView).index, 4)
  await get(t.audit, "/log/tile/entries/{N...}", { params: { N: "000.p/5" } })
  assert.deepEqual(await readings(t.audit), [
    { by: ann.spiffeId, data: { from: 1, limit: 2, event: "test.happened", session: "session_1" } },
    { by: ann.spiffeId, data: { entry: id } },
    { by: ann.spiffeId, data: { path: "tile/entries/000.p/5" } },
  ])
})

test("entries are answered to nobody without a name", async () => {
  await using t = await openTestAudit()
  const { id } = (await t.audit.commit(happened(1))).entries[0]!
  const asked: [string, Asked][] = [
    ["/v1/audit/entries", {}],
    ["/v1/audit/entries/{id}", { params: { id } }],
    ["/log/tile/entries/{N...}", { params: { N: "000.p/1" } }],
  ]
  for (const [path, more] of asked) {
    await assert.rejects(get(t.audit, path, { ...more, caller: null }), { code: "no-identity" })
  }
})

test("only hashes, the checkpoint and the key are public, and entries need read-audit", async () => {
  await using t = await openTestAudit()
  const open = routes(t.audit).filter(({ right }) => right === "public")
  assert.deepEqual(
    open.map(({ path }) => path),
    ["/v1/audit/key", "/log/checkpoint", "/log/tile/{L}/{N...}", "/log/{log}/checkpoint", "/log/{log}/tile/{L}/{N...}"],
  )
  for (const { right, path } of routes(t.audit)) assert.ok(right === "public" || right === "read-audit", path)
  await t.audit.commit(happened(1))
  for (const params of [
    { L: "entries", N: "000.p/1" },
    { L: "0", N: "../entries/000.p/1" },
    { L: "0", N: "001" },
  ]) {
    await assert.rejects(get(t.audit, "/log/tile/{L}/{N...}", { params }), { code: "not-found" })
  }
  for (const log of ["0", "2", "01", "1x", "99999999999", "tile"]) {
    await assert.rejects(get(t.audit, "/log/{log}/checkpoint", { params: { log } }), { code: "not-found" }, log)
  }
  await get(t.audit, "/log/{log}/tile/{L}/{N...}", { params: { log: "1", L: "0", N: "000.p/1" } })
})

test("the tiles' routes stand so that a bundle of entries is never taken for a tile of hashes", async () => {
  await using t = await openTestAudit()
  const paths = routes(t.audit).map(({ path }) => path)
  for (const prefix of ["/log", "/log/{log}"]) {
    assert.ok(paths.indexOf(`${prefix}/tile/entries/{N...}`) < paths.indexOf(`${prefix}/tile/{L}/{N...}`))
  }
})

test("full tiles may be kept for good, partial ones and the checkpoint may not", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(300))
  await t.audit.receipt(entries[299]!.id)
  const headersOf = async (path: string, params: Record<string, string> = {}) => {
    const answer = await get(t.audit, path, { params })
    assert.ok(answer instanceof Response)
    return [answer.headers.get("content-type"), answer.headers.get("cache-control")]
  }
  const bytes = "application/octet-stream"
  const text = "text/plain; charset=utf-8"
  const tile = (N: string) => headersOf("/log/tile/{L}/{N...}", { L: "0", N })
  assert.deepEqual(await tile("000"), [bytes, "public, max-age=31536000, immutable"])
  assert.deepEqual(await tile("001.p/44"), [bytes, "public, max-age=60"])
  const bundle = await headersOf("/log/tile/entries/{N...}", { N: "000" })
  assert.deepEqual(bundle, [bytes, "private, max-age=31536000, immutable"])
  assert.deepEqual(await headersOf("/log/checkpoint"), [text, "no-cache"])
  const id = entries[0]!.id
  assert.deepEqual(await headersOf("/v1/audit/receipts/{id}", { id }), [text, "private, no-cache"])
})

test("whoever has the answers and the key alone verifies the log and a receipt", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(300))
  const { id } = entries[299]!
  const receipt = (await get(t.audit, "/v1/audit/receipts/{id}", { params: { id } })) as Response
  const { vkey } = (await get(t.audit, "/v1/audit/key", { caller: null })) as { vkey: string }
  const { text } = (await get(t.audit, "/v1/audit/entries/{id}", { params: { id } })) as EntryView
  assert.equal((await verifyReceipt(await receipt.text(), Buffer.from(text), vkey)).index, 299)

  const reader = {
    read: async (path: string) => {
      const [, level, index] = /^tile\/(\w+)\/(.*)$/.exec(path) ?? []
      try {
        const answer =
          level === undefined
            ? await get(t.audit, "/log/checkpoint")
            : level === "entries"
              ? await get(t.audit, "/log/tile/entries/{N...}", { params: { N: index! } })
              : await get(t.audit, "/log/tile/{L}/{N...}", { params: { L: level, N: index! } })
        return new Uint8Array(await (answer as Response).arrayBuffer())
      } catch (error) {
        if (refusalCode(error) === "not-found") return null
        throw error
      }
    },
  }
  assert.deepEqual((await verifyLog(reader, vkey)).problems, [])
})

test("a query that is not one is refused", async () => {
  await using t = await openTestAudit()
  const wrong: Record<string, string>[] = [{ from: "-1" }, { limit: "1e3" }, { event: "" }, { other: "1" }]
  for (const query of wrong) await assert.rejects(get(t.audit, "/v1/audit/entries", { query }))
  for (const limit of ["0", "257"]) {
    await assert.rejects(get(t.audit, "/v1/audit/entries", { query: { limit } }), { code: "invalid-request" })
  }
  const params = { id: "entry_x" }
  await assert.rejects(get(t.audit, "/v1/audit/entries/{id}", { params }), { code: "not-found" })
})
