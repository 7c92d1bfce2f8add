import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { Refusal } from "#kernel"
import { parse } from "./parse.ts"

const permit = (id: string) => `@id("${id}")\npermit(principal, action, resource);\n`

function refused(text: string, expected: { message: RegExp; line: number; column: number }): void {
  assert.throws(
    () =>
      parse([
        { file: "good.cedar", text: permit("good") },
        { file: "policies/bad.cedar", text },
      ]),
    (error) => {
      assert.ok(error instanceof Refusal)
      assert.equal(error.code, "policy-invalid")
      assert.match(error.message, expected.message)
      const { line, column } = expected
      assert.deepEqual(error.detail, { file: "policies/bad.cedar", line, column })
      assert.ok(error.message.startsWith(`policies/bad.cedar:${line}:${column}: `), error.message)
      return true
    },
  )
}

test("policies keep their names, words and places, in the order of the text", () => {
  const text = [
    "// Zwölf Regeln",
    ...Array.from({ length: 12 }, (_, at) => `@id("p${at}") permit(principal, action, resource);`),
    '@id("ask-first") @reason("A person must agree.") @ask("user")',
    "forbid(principal, action, resource) unless { context.approved };",
    '@id("scoped") @purpose("answer-questions") permit(principal, action, resource);',
  ].join("\n")
  const { policies } = parse([{ file: "a.cedar", text }])
  assert.deepEqual(policies.map(({ id, line }) => `${id}:${line}`).slice(0, 12), [
    ...Array.from({ length: 12 }, (_, at) => `p${at}:${at + 2}`),
  ])
  const { text: own, ...asking } = policies[12]!
  assert.ok(own.startsWith('@id("ask-first")'))
  assert.deepEqual(asking, {
    id: "ask-first",
    effect: "forbid",
    file: "a.cedar",
    line: 14,
    purpose: null,
    reason: "A person must agree.",
    ask: "user",
    rung: null,
    mentions: [],
  })
  assert.equal(policies[13]!.purpose, "answer-questions")
})

test("broken text is refused with the place of the mistake", () => {
  refused(`${permit("a")}permit(principl, action, resource);`, { message: /principl/, line: 3, column: 8 })
  refused('// é\n@id("a") permit(principal, action, resource)', { message: /unexpected end/, line: 2, column: 45 })
})

test("what the schema does not know is refused where it stands", () => {
  const text = `// é\n${permit("a")}@id("b") permit(principal, action, resource) when { context.sesion.hasUser };`
  refused(text, { message: /sesion.*did you mean `session`/, line: 4, column: 53 })
  refused('@id("b") permit(principal == agents::Agnt::"x", action, resource);', {
    message: /agents::Agnt/,
    line: 1,
    column: 30,
  })
  refused('@id("b") permit(principal, action == policy::Action::"sudo", resource);', {
    message: /sudo/,
    line: 1,
    column: 38,
  })
  refused('@id("b") forbid(principal, action, resource) when { context.operation == 3 };', {
    message: /./,
    line: 1,
    column: 53,
  })
})

test("a policy that can never apply is refused", () => {
  refused('@id("b") forbid(principal, action, resource) when { context.approved && false };', {
    message: /impossible/,
    line: 1,
    column: 1,
  })
})

test("a policy without a name, or with another's, is refused", () => {
  refused("permit(principal, action, resource);", { message: /@id/, line: 1, column: 1 })
  refused("@id permit(principal, action, resource);", { message: /@id/, line: 1, column: 1 })
  refused('@id("Not A Name") permit(principal, action, resource);', { message: /lower-case/, line: 1, column: 1 })
  refused(`${permit("x")}${permit("x")}`, { message: /taken by policies\/bad.cedar:1/, line: 3, column: 1 })
  refused(permit("good"), { message: /taken by good.cedar:1/, line: 1, column: 1 })
})

test("an annotation that would be ignored is refused", () => {
  const tail = "(principal, action, resource);"
  refused(`@id("b") @porpose("x") permit${tail}`, { message: /@porpose is not known/, line: 1, column: 1 })
  refused(`@id("b") @purpose("x") forbid${tail}`, { message: /may not carry @purpose/, line: 1, column: 1 })
  refused(`@id("b") @purpose permit${tail}`, { message: /must name a purpose/, line: 1, column: 1 })
  refused(`@id("b") @ask("user") permit${tail}`, { message: /only a forbid/, line: 1, column: 1 })
  refused(`@id("b") @ask("Any one") forbid${tail}`, { message: /@ask\("user"\), or the name/, line: 1, column: 1 })
  const quorum = '@ask("user") @rung("quorum") forbid'
  for (const text of ['@rung("sign") permit', '@ask("user") @rung("tell") forbid', '@rung("tap") forbid', quorum]) {
    refused(`@id("b") ${text}${tail}`, { message: /@rung of b|asks for a quorum/, line: 1, column: 1 })
  }
  refused(`@id("b") @reason(" ") forbid${tail}`, { message: /@reason/, line: 1, column: 1 })
})

test("a template is refused", () => {
  refused(`${permit("a")}@id("t") permit(principal == ?principal, action, resource);`, {
    message: /Templates/,
    line: 3,
    column: 1,
  })
})

test("any text is either policies with unique names or a refusal with a place", () => {
  const pieces = [
    "@id",
    '("a")',
    "permit",
    "forbid",
    "(principal, action, resource)",
    ";",
    "when { true }",
    "\n",
    "é",
    '"',
  ]
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.array(fc.constantFrom(...pieces)).map((all) => all.join(" ")),
      ),
      (text) => {
        try {
          const { policies } = parse([{ file: "any.cedar", text }])
          assert.equal(new Set(policies.map(({ id }) => id)).size, policies.length)
        } catch (error) {
          assert.ok(error instanceof Refusal, String(error))
          assert.equal(typeof error.detail?.["line"], "number")
        }
      },
    ),
  )
})
