import assert from "node:assert/strict"
import { test } from "node:test"
import { leafHash, verifyInclusion } from "@safeconduct/tlog"
import { challengeOf, inclusionIn, type Statement, statementBytes } from "./statement.ts"

const statement = (nonce: string) => ({ v: "safeconduct/approval/1", nonce }) as Statement

test("what is signed for several statements proves each of them, and no other", () => {
  for (let size = 1; size <= 9; size++) {
    const statements = Array.from({ length: size }, (_, at) => statement(`n${at}`))
    const root = challengeOf(statements)
    assert.equal(root.length, 32)
    for (const [index, each] of statements.entries()) {
      const of = { leaf: leafHash(statementBytes(each)), index, size, root, proof: inclusionIn(statements, index) }
      assert.ok(verifyInclusion(of))
      assert.ok(!verifyInclusion({ ...of, leaf: leafHash(statementBytes(statement("other"))) }))
    }
  }
})

test("nothing is not signed", () => {
  assert.throws(() => challengeOf([]), TypeError)
})
