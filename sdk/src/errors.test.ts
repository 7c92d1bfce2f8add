import assert from "node:assert/strict"
import { test } from "node:test"
import { DeniedError, errorFromAnswer, SafeconductError, wasOver } from "./errors.ts"

const problem = (body: object) => JSON.stringify(body)
const TYPE = "application/problem+json"

test("a problem becomes an error with the server's code, sentence, retryability and detail", () => {
  const error = errorFromAnswer(
    503,
    TYPE,
    problem({
      type: "urn:x",
      title: "overloaded",
      status: 503,
      code: "overloaded",
      detail: "Try again.",
      retryable: true,
      queue: 9,
    }),
  )
  assert.equal(error.code, "overloaded")
  assert.equal(error.message, "Try again.")
  assert.equal(error.status, 503)
  assert.equal(error.isRetryable, true)
  assert.deepEqual(error.detail, { queue: 9 })
  assert.equal(error instanceof DeniedError, false)
})

test("a policy's no is a DeniedError with its reasons", () => {
  const error = errorFromAnswer(
    403,
    TYPE,
    problem({ code: "denied-by-policy", detail: "No.", retryable: false, reasons: ["Writes are not in the purpose."] }),
  )
  assert.ok(error instanceof DeniedError)
  assert.deepEqual(error.reasons, ["Writes are not in the purpose."])
  assert.equal(error.name, "DeniedError")
})

test("a denial without reasons has the sentence as its reason", () => {
  const error = errorFromAnswer(403, TYPE, problem({ code: "outside-mandate", detail: "Not in the mandate." }))
  assert.deepEqual((error as DeniedError).reasons, ["Not in the mandate."])
})

test("an answer that is not ours never passes for one of our codes", () => {
  for (const [type, body] of [
    ["text/html", "<h1>Bad gateway</h1>"],
    ["application/json", problem({ code: "not-found", detail: "x" })],
    [TYPE, "not json"],
    [TYPE, "[]"],
    [undefined, ""],
  ] as const) {
    const error = errorFromAnswer(502, type, body)
    assert.equal(error.code, "unexpected-answer")
    assert.equal(error.isRetryable, true)
  }
  assert.equal(errorFromAnswer(404, "text/html", "").isRetryable, false)
})

test("only what is over counts as over", () => {
  assert.equal(wasOver(new SafeconductError("lease-ended", "x")), true)
  assert.equal(wasOver(new SafeconductError("store-unavailable", "x")), false)
  assert.equal(wasOver(new Error("lease-ended")), false)
})
