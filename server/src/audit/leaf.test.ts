import assert from "node:assert/strict"
import { createHmac } from "node:crypto"
import { test } from "node:test"
import { canonical, fromBase64url, type Json, Secret } from "#kernel"
import type { Draft } from "./change.ts"
import { readLeaf, writeLeaf } from "./leaf.ts"

const draft: Draft = { event: "test.happened", by: "spiffe://example.org/agent/bot" }
const nowMs = Date.UTC(2026, 4, 5, 6, 7, 8, 9)

test("a leaf is canonical JSON and says what the draft said", () => {
  const action = { id: "action_1", digest: "d", type: "tool", resource: "kb", operation: "read" }
  const agent = { name: "bot", instance: "instance_1", svid: "0a" }
  const full = { ...draft, action, agent, session: "session_1", purpose: "answer", of: "entry_1", data: { n: 1 } }
  const { id, leaf } = writeLeaf({ ...full, deadlineSeconds: 60 }, nowMs)
  const { salt, ...rest } = readLeaf(leaf)
  assert.equal(leaf.toString(), canonical({ salt, ...rest } as unknown as Json))
  const times = { at: "2026-05-05T06:07:08.009Z", deadline: "2026-05-05T06:08:08.009Z" }
  assert.deepEqual(rest, { v: 1, id, ...full, ...times })
  assert.equal(fromBase64url(salt).length, 16)
})

test("two entries of the same draft share neither id nor salt", () => {
  const [a, b] = [writeLeaf(draft, nowMs), writeLeaf(draft, nowMs)].map(({ leaf }) => readLeaf(leaf))
  assert.notEqual(a!.id, b!.id)
  assert.notEqual(a!.salt, b!.salt)
})

test("a personal value is not in the leaf, and its commitment opens with its own salt alone", () => {
  const personal = { email: "alice@example.org", card: { last4: "4242" } }
  const { leaf, disclosures } = writeLeaf({ ...draft, personal }, nowMs)
  for (const part of ["alice", 'example.org"', "4242", "last4"]) assert.equal(leaf.includes(part), false)
  const { commitments } = readLeaf(leaf)
  assert.deepEqual(Object.keys(commitments!).sort(), ["card", "email"])
  for (const { name, salt, value } of disclosures) {
    assert.equal(value, canonical(personal[name as "email"]))
    assert.equal(commitments![name], createHmac("sha256", salt).update(value).digest("base64url"))
  }
  assert.notDeepEqual(disclosures[0]!.salt, disclosures[1]!.salt)
})

test("a secret, a date and bytes are refused wherever they stand", () => {
  for (const value of [new Secret("s3cret"), new Date(0), Buffer.from("s3cret"), new Map()]) {
    for (const wrong of [{ data: { value } }, { data: { a: [{ value }] } }, { personal: { value } }]) {
      assert.throws(() => writeLeaf({ ...draft, ...(wrong as unknown as Partial<Draft>) }, nowMs), TypeError)
    }
  }
})

test("what JSON cannot carry is refused", () => {
  for (const value of [Number.NaN, "\ud800", undefined, () => 1]) {
    assert.throws(() => writeLeaf({ ...draft, data: { value: value as unknown as Json } }, nowMs), {
      code: "malformed-json",
    })
  }
})
