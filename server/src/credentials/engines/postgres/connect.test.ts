import assert from "node:assert/strict"
import { test } from "node:test"
import { Secret, silentLog } from "#kernel"
import { connect, resourceError } from "./connect.ts"
import { type LabDatabase, labDatabase, orderOf } from "./fixture.ts"
import { statements } from "./issue.ts"
import { newPassword, scramVerifier } from "./scram.ts"

test("what PostgreSQL says of a statement loses its verifier", async () => {
  const verifier = await scramVerifier(newPassword(), { iterations: 1 })
  const error = resourceError("make the role", { code: "42601", message: `syntax error at or near "${verifier}"` })
  assert.equal(error.message, 'Could not make the role: syntax error at or near "[verifier]"')
  assert.equal(error.cause, undefined)
})

test("no statement that makes a role holds its password", async () => {
  const password = newPassword()
  const verifier = await scramVerifier(password, { iterations: 1 })
  const order = orderOf({ part: {} } as LabDatabase)
  const needs = { needsMapping: true, needsApproval: true }
  for (const hasSetFalse of [true, false]) {
    const text = statements("kb_read", order, { verifier, connectionLimit: 5, hasSetFalse, ...needs }).join()
    assert.equal(text.includes(password.reveal()), false)
  }
})

test("a resource that is not there is unreachable, and one that answers is not", async () => {
  const lab = await labDatabase(18)
  await using away = connect({ ...lab.part, port: 1 }, lab.root, silentLog)
  await assert.rejects(away.give.run("look", "select 1"), { isUnreachable: true, code: null })
  await using there = connect(lab.part, lab.root, silentLog)
  await assert.rejects(there.give.run("look", "select nothing"), { isUnreachable: false, code: "42703" })
  await using refused = connect(lab.part, { ...lab.root, password: new Secret("wrong") }, silentLog)
  await assert.rejects(refused.give.run("look", "select 1"), { isUnreachable: true, code: "28P01" })
})

test("a resource without TLS is refused unless that is allowed", async () => {
  const lab = await labDatabase(18)
  for (const tls of ["verify-full", "require"] as const) {
    await using connections = connect({ ...lab.part, tls }, lab.root, silentLog)
    await assert.rejects(connections.give.run("look", "select 1"), /does not support SSL/)
  }
})
