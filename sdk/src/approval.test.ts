import assert from "node:assert/strict"
import { test } from "node:test"
import { inspect } from "node:util"
import { type ApprovalState, asking, pendingOf } from "./approval.ts"
import { SafeconductError } from "./errors.ts"
import { keepSession } from "./session.ts"
import type { Call, Transport } from "./transport.ts"
import type { Action } from "./wire.ts"

const action: Action = { type: "tool", resource: "hr", operation: "raise", arguments: { amount: 5 } }
const inAnHour = new Date(Date.now() + 3_600_000).toISOString()
const waiting = { id: "approval_1", rung: "sign", expiresAt: inAnHour, useBefore: null, used: false }
const answered = (state: ApprovalState) => ({ ...waiting, state, pollAfterSeconds: 2 })
const handle = { session: "session_1", approval: "approval_1", idempotencyKey: "k", action }

/** Answers calls in turn, and notes them. */
function scripted(answers: (object | Error)[]) {
  const calls: Call[] = []
  const json = async (call: Call) => {
    calls.push(call)
    const answer = answers.shift()
    if (answer === undefined) return await new Promise(() => undefined)
    if (answer instanceof Error) throw answer
    return answer
  }
  return { transport: { json, skewMs: 0 } as unknown as Transport, calls }
}

test("an action that waits is asked again with its approval, under the same key, once somebody answered", async () => {
  const gate = { id: "e", entry: "e", reasons: ["It is signed."] }
  const { transport, calls } = scripted([
    { ...gate, verdict: "ask", approval: answered("requested") },
    answered("requested"),
    answered("approved"),
    { ...gate, verdict: "allow", reasons: [] },
  ])
  const seen: string[] = []
  const options = { wait: true, justification: "as agreed", onPending: ({ id }: { id: string }) => void seen.push(id) }
  assert.equal((await asking(transport, "session_1").through(action, "k", options)).verdict, "allow")
  assert.deepEqual(seen, ["approval_1"])
  const [first, , , last] = calls
  assert.deepEqual(first!.body, { session: "session_1", action, justification: "as agreed" })
  assert.deepEqual(last!.body, { session: "session_1", action, approval: "approval_1" })
  assert.deepEqual([first!.idempotencyKey, last!.idempotencyKey], ["k", "k"])
  assert.match(calls[1]!.path, /\/v1\/approvals\/approval_1\?wait=\d+$/)
})

test("without wait the answer is the request, and nothing is asked again", async () => {
  const { transport, calls } = scripted([{ verdict: "ask", approval: answered("requested") }])
  assert.equal((await asking(transport, "session_1").through(action, "k", {})).verdict, "ask")
  assert.equal(calls.length, 1)
})

test("until when it waits is what the last look said: people may take more time", async () => {
  const later = new Date(Date.now() + 7_200_000).toISOString()
  const { transport } = scripted([{ ...answered("requested"), expiresAt: later }, answered("approved")])
  const pending = pendingOf(transport, handle, answered("requested"))
  assert.equal(pending.expiresAt.toISOString(), inAnHour)
  assert.equal(await pending.state(), "requested")
  assert.equal(pending.expiresAt.toISOString(), later)
})

test("a denial, an expiry and a report are told as they are", async () => {
  for (const state of ["denied", "expired", "reported", "withdrawn"] as const) {
    const { transport } = scripted([answered(state)])
    assert.equal(await pendingOf(transport, handle, answered("requested")).decided(), state)
  }
})

test("a lost connection is tried again, and a refusal is not", async () => {
  const lost = new SafeconductError("unreachable", "gone", { isRetryable: true })
  const { transport, calls } = scripted([lost, answered("approved")])
  assert.equal(await pendingOf(transport, handle, answered("requested")).decided(), "approved")
  assert.equal(calls.length, 2)
  const refused = scripted([new SafeconductError("approval-unknown", "no", { status: 404 })])
  await assert.rejects(pendingOf(refused.transport, handle, answered("requested")).decided(), {
    code: "approval-unknown",
  })
})

test("who cannot be reached is not asked for ever: once the time of the request is over, the waiting ends", async () => {
  const lost = () => new SafeconductError("unreachable", "gone", { isRetryable: true })
  const { transport, calls } = scripted([lost(), lost(), lost()])
  const over = { ...answered("requested"), expiresAt: "2020-01-01T00:00:00.000Z" }
  await assert.rejects(pendingOf(transport, handle, over).decided(), { code: "unreachable" })
  assert.equal(calls.length, 1)
})

test("who stops waiting between two tries hears their own reason", async () => {
  const stop = new AbortController()
  const lost = new SafeconductError("unreachable", "gone", { isRetryable: true })
  const json = async () => {
    setImmediate(() => stop.abort(new Error("enough")))
    throw lost
  }
  const pending = pendingOf({ json, skewMs: 0 } as unknown as Transport, handle, answered("requested"))
  await assert.rejects(pending.decided({ signal: stop.signal }), /enough/)
})

test("work that throws before it is a promise has failed, and is told as that", async () => {
  const calls: Call[] = []
  const transport = {
    skewMs: 0,
    keepToken: () => undefined,
    async json(call: Call) {
      calls.push(call)
      return { id: "e", entry: "entry_1", verdict: "allow", reasons: [] }
    },
  } as unknown as Transport
  const session = { id: "session_1", purpose: "p", expiresAt: inAnHour, hardEndAt: inAnHour }
  const first = { session, accessToken: "t", expiresIn: 60 } as never
  const held = keepSession({ transport, onProblem: () => undefined, onOver: () => undefined }, first)
  const throwing = (() => {
    throw new Error("broken")
  }) as () => Promise<never>
  await assert.rejects(held.perform(action, throwing), /broken/)
  assert.deepEqual(calls.at(-1)!.body, { outcome: "failed" })
  assert.equal(await held.perform(action, (() => "done") as unknown as () => Promise<string>), "done")
  assert.deepEqual(calls.at(-1)!.body, { outcome: "succeeded" })
  await held.end()
})

test("who stops waiting stops at once, and the handle is all it takes to go on", async () => {
  const { transport } = scripted([])
  const pending = pendingOf(transport, handle, answered("requested"))
  const stop = new AbortController()
  const waited = pending.decided({ signal: stop.signal })
  stop.abort(new Error("enough"))
  await assert.rejects(waited, /enough/)
  assert.deepEqual(JSON.parse(JSON.stringify(pending.handle)), handle)
  assert.ok(inspect(pending).includes("approval_1"))
})
