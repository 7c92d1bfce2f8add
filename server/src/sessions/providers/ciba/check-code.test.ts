import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { sha256 } from "#kernel"
import { checkCode } from "./check-code.ts"
import { cibaProfiles } from "./profiles.ts"

test("the code of a challenge is always the same, and another challenge has another one", () => {
  assert.equal(checkCode(sha256("a")), checkCode(sha256("a")))
  const codes = new Set(Array.from({ length: 2_000 }, (_, at) => checkCode(sha256(`challenge ${at}`))))
  assert.equal(codes.size, 2_000)
})

test("every provider with CIBA takes every code", () => {
  const forms = Object.values(cibaProfiles).flatMap((profile) => profile?.bindingMessage.form ?? [])
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (challenge) => {
      const code = checkCode(challenge)
      assert.match(code, /^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/)
      return forms.every((form) => form.test(code))
    }),
  )
})
