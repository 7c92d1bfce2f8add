import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { allEvents, allRoutes } from "./assembled.ts"
import { contractFiles, routeTable } from "./contract.ts"
import { repositoryRoot } from "./tree.ts"

for (const [path, text] of Object.entries(contractFiles())) {
  test(`${path} is what the code says (npm run contract writes it)`, () => {
    assert.equal(readFileSync(`${repositoryRoot}${path}`, "utf8"), text)
  })
}

test("no two routes share method and path", () => {
  const named = allRoutes().map(({ method, path }) => `${method} ${path}`)
  assert.equal(new Set(named).size, named.length)
})

test("every route that changes something names the events it leaves", () => {
  // Reading by POST, and what gives nothing yet: what becomes of a pushed request is recorded.
  const silent = new Set([
    ...["POST /v1/policy/diff", "POST /oauth2/par", "POST /oauth2/introspect"],
    // What a provider tells us is fetched from it, or said by its user.
    ...["POST /sign-in/{provider}/ciba-channel", "POST /sign-in/{provider}/ciba-ping"],
    ...["POST /me/passkeys/options", "POST /me/passkeys/vouching"],
    // What somebody would sign, a step that leads to a decision, and hints that are no word of anybody's.
    ...["POST /approvals/{id}/challenge", "POST /approvals/{id}/step-up", "POST /approvals/notices/{id}/receipt"],
    ...["POST /sign-in/{provider}/ciba-channel", "POST /sign-in/{provider}/ciba-ping"],
  ])
  const odd = allRoutes().filter(({ method, path, events }) => {
    const isTold = events !== null && events.length > 0
    return method !== "GET" && !isTold && !silent.has(`${method} ${path}`)
  })
  assert.deepEqual(
    odd.map(({ method, path }) => `${method} ${path}`),
    [],
  )
})

test("every event that a route names is in a room's events.ts", () => {
  const known = new Set(Object.keys(allEvents()))
  const unknown = allRoutes().flatMap(({ events }) => (events ?? []).filter((event) => !known.has(event)))
  assert.deepEqual(unknown, [])
})

test("only reading, enrolment and standard routes are open to nobody in particular", () => {
  const open = allRoutes().filter(({ right }) => right === "public" || right === "enrol")
  const changing = open.filter(({ method }) => method !== "GET").map(({ method, path }) => `${method} ${path}`)
  // Pages know their user by a cookie, and take their own forms only; a provider signs what it says, or shows what we gave it; a
  // receipt decides nothing.
  assert.deepEqual(changing.toSorted(), [
    "POST /approvals/notices/{id}/receipt",
    "POST /approvals/{id}/challenge",
    "POST /approvals/{id}/decision",
    "POST /consent/{id}",
    "POST /me/consents/{id}/revocation",
    "POST /me/everything",
    "POST /me/grants/{id}/revocation",
    "POST /me/lost-device",
    "POST /me/notifications",
    "POST /me/notifications/contacts",
    "POST /me/notifications/contacts/{id}/code",
    "POST /me/notifications/contacts/{id}/removal",
    "POST /me/notifications/provider-address",
    "POST /me/notifications/push",
    "POST /me/notifications/stand-ins",
    "POST /me/notifications/stand-ins/{id}/revocation",
    "POST /me/passkeys",
    "POST /me/passkeys/options",
    "POST /me/passkeys/vouching",
    "POST /me/passkeys/{id}/name",
    "POST /me/passkeys/{id}/revocation",
    "POST /me/sessions/{id}/end",
    "POST /me/sign-out",
    "POST /sign-in/{provider}/ciba-channel",
    "POST /sign-in/{provider}/ciba-ping",
    "POST /sign-in/{provider}/logout",
    "POST /sign-in/{provider}/operator/{id}",
    "POST /v1/agents/enrolments",
    "POST /v1/agents/operators/sign-ins",
  ])
})

test("a route without an event shows as a dash in the table", () => {
  const reading = { method: "GET", path: "/v1/a", right: "read-audit", events: null } as never
  const writing = { method: "POST", path: "/v1/a", right: "agent", events: ["a.b", "a.c"] } as never
  assert.equal(routeTable([writing, reading]), "GET   /v1/a  read-audit  —\nPOST  /v1/a  agent       a.b a.c\n")
})
