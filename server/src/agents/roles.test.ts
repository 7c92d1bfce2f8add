import assert from "node:assert/strict"
import { test } from "node:test"
import type { Right } from "#kernel"
import type { OperatorRole, Principal } from "./principal.ts"
import { mayCall, roles } from "./roles.ts"

const common = {
  spiffeId: "spiffe://example.org/x",
  name: "x",
  instance: "i",
  serial: "1",
  confirmation: { "x5t#S256": "t" },
  notAfterMs: 0,
}
const agent: Principal = { ...common, kind: "agent", agentId: "a" }
const operator = (...held: OperatorRole[]): Principal => ({ ...common, kind: "operator", operatorId: "o", roles: held })
const everyRight = [...new Set(Object.values(roles).flat())]

test("public routes and enrolment need no identity; every other right does", () => {
  assert.equal(mayCall(null, "public"), true)
  assert.equal(mayCall(null, "enrol"), true)
  for (const right of [...everyRight, "identified" as Right]) assert.equal(mayCall(null, right), "no-identity")
})

test("an agent has its own four rights and no operator's", () => {
  const own = ["agent", "read-sessions", "read-credentials", "end-sessions"]
  assert.equal(mayCall(agent, "identified"), true)
  for (const right of everyRight) assert.equal(mayCall(agent, right), own.includes(right) ? true : "wrong-role", right)
})

test("no operator acts as an agent", () => {
  assert.equal(mayCall(operator("admin", "operator", "auditor", "approver"), "agent"), "wrong-role")
})

test("only an admin names operators, applies policy, sets a resource's root or rotates keys", () => {
  for (const right of ["manage-operators", "apply-policy", "manage-credentials", "manage-keys"] as const) {
    assert.equal(mayCall(operator("admin"), right), true)
    assert.equal(mayCall(operator("operator", "auditor", "approver"), right), "wrong-role")
  }
})

test("an auditor and an approver change nothing, but an approver signs what another operator proposed, and vouches for people", () => {
  const vouching = ["approve-changes", "confirm-passkeys"] as const
  const harmless: readonly Right[] = ["ask-policy", ...vouching]
  const changing = everyRight.filter((right) => !right.startsWith("read-") && !harmless.includes(right))
  for (const right of vouching) {
    assert.equal(mayCall(operator("auditor"), right), "wrong-role")
    assert.equal(mayCall(operator("approver"), right), true)
  }
  assert.ok(changing.length > 5)
  for (const right of changing) assert.equal(mayCall(operator("auditor", "approver"), right), "wrong-role", right)
})

test("an operator without roles may only be identified", () => {
  for (const right of everyRight) assert.equal(mayCall(operator(), right), "wrong-role")
})
