import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import fc from "fast-check"
import { Refusal } from "#kernel"
import { placed, readDocument } from "./document.ts"

const folder = mkdtempSync(join(tmpdir(), "safeconduct-document-"))
after(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, "policies"))
const path = join(folder, "safeconduct.yaml")
const policy = '@id("a") permit (principal, action, resource);'
writeFileSync(join(folder, "policies", "b.cedar"), policy)
writeFileSync(join(folder, "policies", "a.cedar"), policy)

/** Reads a document with that text. */
function read(text: string) {
  writeFileSync(path, text)
  return readDocument(path)
}

function mistake(text: string): Refusal {
  try {
    read(text)
  } catch (error) {
    if (error instanceof Refusal && error.code === "policy-invalid") return error
    throw error
  }
  return assert.fail(`taken: ${text}`)
}

test("a document has its policies' text in the place of their names, in order, each once", () => {
  const file = (name: string) => ({ file: `policies/${name}.cedar`, text: policy })
  assert.deepEqual(read("purposes: { a: { description: x } }"), {
    purposes: { a: { description: "x" } },
    resources: {},
    agents: {},
    policies: [file("a"), file("b")],
  })
  assert.deepEqual(read(`policies: ["policies/b.cedar", "policies/*.cedar"]`).policies, [file("b"), file("a")])
  assert.deepEqual(read("policies: []").policies, [])
  assert.deepEqual(read("").purposes, {})
})

const mistakes: [string, string, RegExp, object?][] = [
  ["broken YAML", "purposes:\n  a: [1\nagents: {}", /^safeconduct\.yaml:\d+:\d+: /],
  ["a tab", "purposes:\n\ta: 1", /^safeconduct\.yaml:2:1: /, { line: 2, column: 1 }],
  ["one name twice", "agents:\n  a: {}\n  a: {}", /^safeconduct\.yaml:3:3: /, { line: 3, column: 3 }],
  ["two documents", "agents: {}\n---\nagents: {}", /^safeconduct\.yaml:2:1: /],
  ["an unknown tag", "agents:\n  a: !secret b", /^safeconduct\.yaml:2:6: /, { line: 2, column: 6 }],
  ["a member that nothing reads", "agent: {}", /"agent" is not known/],
  ["__proto__", "__proto__: {}", /"__proto__" is not known/],
  ["a list", "- a", /it must be a mapping/],
  ["a text", "just words", /it must be a mapping/],
  ["an alias", "purposes: { a: &x 1, b: *x }", /anchors and aliases are not taken/],
  [
    "an explosion of aliases",
    `a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nagents: [*c,*c]`,
    /anchors and aliases are not taken/,
  ],
  ["policies that are no list", "policies: policies/a.cedar", /policies must be a list/],
  ["policies that are no names", "policies: [1]", /policies must be a list/],
  ["a pattern that matches nothing", "policies: [typo.cedar]", /"typo\.cedar" matches no file beside it/],
  ["a file outside of the folder", "policies: [../*]", /outside the folder/],
  ["a folder in the place of a file", "policies: [policies]", /cannot be read/],
]
for (const [what, text, says, detail] of mistakes) {
  test(`${what} is refused with its place`, () => {
    const refusal = mistake(text)
    assert.match(refusal.message, says)
    if (detail !== undefined) assert.deepEqual(refusal.detail, { file: "safeconduct.yaml", ...detail })
  })
}

test("a file that cannot be read says which", () => {
  const missing = join(folder, "nowhere.yaml")
  assert.throws(() => readDocument(missing), { code: "policy-invalid", message: `${missing} cannot be read.` })
})

test("a mistake that a room found is placed in the file, at the nearest thing that is there", () => {
  read("purposes: {}\nagents:\n  bot.v2:\n    owner: a\n    ceiling:\n      - type: x\n        actions: [a]\n")
  const at = (where: string) => {
    const error = placed(new Refusal("policy-invalid", "Bad.", { detail: { path: where } }), path) as Refusal
    return [error.message, error.detail?.["line"], error.detail?.["column"]]
  }
  assert.deepEqual(at("agents.bot.v2.ceiling.0.type"), ["safeconduct.yaml:6:15: Bad.", 6, 15])
  assert.deepEqual(at("agents.bot.v2.purposes"), ["safeconduct.yaml:4:5: Bad.", 4, 5])
  assert.deepEqual(at("agents.nobody"), ["safeconduct.yaml:3:3: Bad.", 3, 3])
  const other = new Refusal("policy-invalid", "a.cedar:1:1: Bad.", { detail: { file: "a.cedar", line: 1, column: 1 } })
  assert.equal(placed(other, path), other)
  const foreign = new TypeError("x")
  assert.equal(placed(foreign, path), foreign)
})

test("whatever a file holds, it is read or refused as a configuration, never anything else", () => {
  const yaml = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.json(),
    fc
      .array(
        fc.constantFrom(
          "agents:",
          "  a: ",
          "- ",
          "[",
          "]",
          "{",
          "}",
          "&x ",
          "*x",
          "!!t ",
          "---\n",
          "\n",
          "\t",
          "'",
          '"',
          "|",
          ">",
          "? ",
          "policies: ",
          "#",
          "%YAML 1.1\n",
        ),
      )
      .map((parts) => parts.join("")),
  )
  fc.assert(
    fc.property(yaml, (text) => {
      try {
        read(text)
      } catch (error) {
        assert.equal((error as { code?: string }).code, "policy-invalid", String(error))
      }
    }),
  )
})
