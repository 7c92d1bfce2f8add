import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { explain, openRehearsal, readDocument } from "@safeconduct/server/programs"

const at = (name: string) => new URL(name, import.meta.url)
const document = readDocument(at("./safeconduct.yaml").pathname)
const file = "policies/profiles/strict.cedar"
const profile = { file, text: readFileSync(at(file), "utf8") }
const decide = (set: object, operation: string, isApproved = false) => {
  const [type, resource] = operation === "announce" || operation === "read" ? ["tool", "office"] : ["credential", "hr"]
  const given = operation === "raise-salary" ? { employee: "E-1017", euros: 52_000 } : {}
  return explain(openRehearsal(set), {
    agents: ["hr-agent"],
    user: { id: "user_1", claims: { groups: ["hr"] } },
    purpose: "hr-work",
    action: { type: type as "tool", resource: resource!, operation },
    arguments: given,
    approved: isApproved,
  })
}

// The same permits without what they are asked about elsewhere: the profile alone stands in the way.
const bare = document.policies.filter(({ file: name }) => !name.endsWith("ladder.cedar"))

test("the strict profile asks for everything that is elevated, whatever permits it, and for nothing else", () => {
  const strict = { ...document, policies: [...bare, profile] }
  for (const operation of ["onboard", "raise-salary", "offboard", "announce"]) {
    const asked = decide(strict, operation)
    assert.equal(asked.verdict, "ask", operation)
    assert.ok(asked.policies.some(({ id }) => id === "strict-what-is-elevated-is-signed"))
    assert.equal(decide(strict, operation, true).verdict, "allow", operation)
  }
  for (const operation of ["look-up", "read"]) assert.equal(decide(strict, operation).verdict, "allow", operation)
})

test("without it and the ladder, what no resource holds to an approval is allowed", () => {
  const loose = { ...document, policies: bare }
  for (const operation of ["onboard", "announce"]) assert.equal(decide(loose, operation).verdict, "allow", operation)
  // The database takes these with an approval alone, so that they are asked about whatever policies say.
  for (const operation of ["raise-salary", "offboard"]) assert.equal(decide(loose, operation).verdict, "ask", operation)
})
