import assert from "node:assert/strict"
import { test } from "node:test"
import { Refusal, refusalCode } from "#kernel"
import { agent, details, openTestSessions } from "./fixture.ts"
import { parsePurposes } from "./index.ts"

const answer = { description: "Answer questions", actions: details }

test("a purpose has defaults for its sessions", () => {
  assert.deepEqual(parsePurposes({ "answer-questions": { ...answer, session: { idleSeconds: 60 } } }), {
    "answer-questions": {
      ...answer,
      parameters: {},
      lookups: {},
      consent: "none",
      chain: { maxDepth: 0 },
      session: { lifetimeSeconds: 900, hardEndSeconds: 28_800, idleSeconds: 60, leaseSeconds: 300 },
    },
  })
  assert.deepEqual(parsePurposes(undefined), {})
})

test("a mistake in purposes is refused with its place", () => {
  const mistakes: [unknown, string][] = [
    [{ "answer-questions": { ...answer, sesion: {} } }, "purposes.answer-questions"],
    [
      { "answer-questions": { ...answer, session: { lifetimeSeconds: 0 } } },
      "purposes.answer-questions.session.lifetimeSeconds",
    ],
    [{ "answer-questions": { ...answer, session: { ttl: 5 } } }, "purposes.answer-questions.session"],
    [{ "answer-questions": { ...answer, actions: [] } }, "purposes.answer-questions.actions"],
    [
      { "answer-questions": { ...answer, actions: [{ ...details[0], more: 1 }] } },
      "purposes.answer-questions.actions.0",
    ],
    [{ "answer-questions": { actions: details } }, "purposes.answer-questions.description"],
    [{ "Answer Questions": answer }, "purposes.Answer Questions"],
    [JSON.parse('{"__proto__": {}}'), "purposes.__proto__"],
    ["answer-questions", "purposes"],
  ]
  for (const [value, path] of mistakes) {
    assert.throws(
      () => parsePurposes(value),
      (error) => {
        assert.ok(error instanceof Refusal)
        assert.deepEqual([error.code, error.detail?.["path"]], ["policy-invalid", path])
        return true
      },
    )
  }
})

test("new purposes are in force on every server with the epoch, and recorded", async () => {
  await using room = await openTestSessions()
  const other = await room.another()
  const part = room.sessions.parse({ purposes: { refunds: answer } })
  await room.audit.commit(room.sessions.replace(part, "spiffe://example.org/operator/olga"))
  assert.equal(other.sessions.purpose("refunds"), null)
  await other.epoch.refresh()
  assert.equal(other.sessions.purpose("refunds")!.description, "Answer questions")
  assert.equal(other.sessions.purpose("answer-questions"), null)
  const entry = {
    event: "sessions.purposes-replaced",
    by: "spiffe://example.org/operator/olga",
    data: { purposes: ["refunds"], providers: [], applications: [] },
  }
  assert.deepEqual(await room.entries(), [entry])
})

test("a stored purpose that does not parse is unknown, and others stay", async () => {
  await using room = await openTestSessions()
  await room.store.owner.query("insert into sessions.purposes values ('odd', '{\"actions\": \"*\"}')")
  const { sessions } = await room.another()
  assert.equal(sessions.purpose("odd"), null)
  assert.notEqual(sessions.purpose("answer-questions"), null)
  const opening = { caller: agent(), purpose: "odd", purposes: ["odd"], ceiling: details }
  assert.throws(
    () => sessions.open(opening),
    (error) => refusalCode(error) === "purpose-unknown",
  )
})
