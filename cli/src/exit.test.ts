import assert from "node:assert/strict"
import { test } from "node:test"
import { SafeconductError } from "@safeconduct/sdk"
import { refusals } from "../../server/src/kernel/refusals.ts"
import { exitOf, exitOfCode, exits } from "./exit.ts"

test("every refusal of the server has the exit status that the server's table gives it", () => {
  const ours = Object.fromEntries(Object.keys(refusals).map((code) => [code, exitOfCode(code) ?? exits.failed]))
  const theirs = Object.fromEntries(Object.entries(refusals).map(([code, { exit }]) => [code, exit]))
  assert.deepEqual(ours, theirs)
})

test("an unknown code is a failure, and a retryable one asks to come back later", () => {
  assert.equal(exitOf(new SafeconductError("new-code", "x")), 1)
  assert.equal(exitOf(new SafeconductError("new-code", "x", { isRetryable: true })), 75)
  assert.equal(exitOf(new Error("x")), 1)
  assert.equal(exitOf(undefined), 1)
})

test("denied, not authorised and unreachable are told apart", () => {
  const of = (code: string) => exitOf(new SafeconductError(code, "x"))
  assert.deepEqual([of("denied-by-policy"), of("wrong-role"), of("unreachable")], [5, 4, 75])
})
