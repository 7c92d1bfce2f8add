import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { Refusal, refusalCode, refusals } from "#kernel"
import { actionSchema } from "../action.ts"
import { issuer, raise } from "./ciba.fixture.ts"
import { actionOf, detailOf } from "./one-action.ts"
import { backchannelForm, type Given, readParameters } from "./parameters.ts"

const good = { scope: "openid", login_hint_token: "token", authorization_details: JSON.stringify([raise()]) }
const read = (more: Given = {}, delivery: "poll" | "ping" = "poll") =>
  readParameters({ ...good, ...more }, { issuer, delivery })

function refuses(more: Given, oauth: string, delivery: "poll" | "ping" = "poll") {
  assert.throws(
    () => read(more, delivery),
    (error) => {
      assert.ok(error instanceof Refusal, String(error))
      assert.equal(refusals[error.code].oauth, oauth, JSON.stringify(more).slice(0, 200))
      return true
    },
  )
}

test("CIBA Core §7.1: scope is required and contains openid; another one is refused, not dropped", () => {
  for (const scope of [undefined, "", "profile", "OpenID", "openid2"]) refuses({ scope }, "invalid_request")
  for (const scope of ["openid profile", "openid offline_access"]) refuses({ scope }, "invalid_scope")
})

test("CIBA Core §7.1: there is exactly one hint", () => {
  refuses({ login_hint_token: undefined }, "invalid_request")
  refuses({ login_hint: "alice" }, "invalid_request")
  refuses({ id_token_hint: "x" }, "invalid_request")
  refuses({ login_hint_token: undefined, login_hint: "a", id_token_hint: "b" }, "invalid_request")
  for (const kind of ["login_hint_token", "id_token_hint", "login_hint"] as const) {
    assert.deepEqual(read({ login_hint_token: undefined, [kind]: "x" }).hint, { kind, value: "x" })
    refuses({ login_hint_token: undefined, [kind]: 7 }, "invalid_request")
  }
})

test("CIBA Core §7.1: who is pinged sends a bearer token of 128 bits at the least and 1024 characters at the most", () => {
  const ping = (client_notification_token?: string) => read({ client_notification_token }, "ping").notificationToken!
  for (const token of ["a".repeat(22), "aZ0-._~+/".repeat(3), `${"a".repeat(40)}==`, "a".repeat(1024)]) {
    assert.equal(ping(token).reveal(), token)
  }
  for (const token of [
    undefined,
    "",
    "short",
    "a".repeat(1025),
    `${"a".repeat(30)} b`,
    `${"a".repeat(30)}é`,
    "=".repeat(30),
  ]) {
    refuses({ client_notification_token: token }, "invalid_request", "ping")
  }
  assert.equal(read({ client_notification_token: "short" }).notificationToken, null, "who polls needs none")
})

test("CIBA Core §7.1, pitfall 7: a binding message is one short line of what can be seen", () => {
  for (const text of ["Raise for E-7", "Gehaltserhöhung für Jürgen", "給与", "👩‍💻 ok", "x".repeat(200)]) {
    assert.equal(read({ binding_message: text }).bindingMessage, text)
  }
  assert.equal(read().bindingMessage, null)
  const bad = [
    "x".repeat(201),
    "two\nlines",
    "\u202Egnp.exe",
    "zero\u200Bwidth",
    "a\u0000b",
    "bell\u0007",
    "   ",
    "z\u0301\u0301\u0301\u0301",
  ]
  for (const text of bad) refuses({ binding_message: text }, "invalid_binding_message")
  refuses({ binding_message: 7 }, "invalid_request")
})

test("CIBA Core §7.1: requested_expiry is a positive whole number; in a signed request as number or text (§7.1.1)", () => {
  for (const value of ["60", 60]) assert.equal(read({ requested_expiry: value }).requestedExpiry, 60)
  assert.equal(read().requestedExpiry, null)
  for (const value of ["0", "-1", "1.5", "01", "1e3", "x", " 5", "9".repeat(20), 0, -5, 1.5, 1e21, true, null, [60]]) {
    refuses({ requested_expiry: value }, "invalid_request")
  }
})

test("CIBA Core §7.1: acr_values are taken and promise nothing; a user code is refused, because there are none", () => {
  assert.ok(read({ acr_values: "urn:x urn:y" }))
  refuses({ acr_values: ["urn:x"] }, "invalid_request")
  refuses({ user_code: "1234" }, "invalid_user_code")
  assert.ok(read({ user_code: "" }), "RFC 6749 §3.1: without a value it was not sent")
})

test("RFC 8707: a resource is us, or refused", () => {
  assert.ok(read({ resource: issuer }))
  refuses({ resource: "https://other.example" }, "invalid_target")
})

test("CIBA Core §7.1.1: a request by reference is not taken", () => {
  refuses({ request_uri: "https://evil.example/request" }, "invalid_request")
})

test("FAPI-CIBA §5.2.2: the authorization context is required and unmistakable: one action with its arguments", () => {
  refuses({ authorization_details: undefined }, "invalid_request")
  const details = (value: unknown) =>
    refuses({ authorization_details: JSON.stringify(value) }, "invalid_authorization_details")
  const one = raise()
  for (const value of [
    {},
    [],
    [one, one],
    "x",
    null,
    [{ ...one, type: "safeconduct_action" }],
    [{ ...one, type: undefined }],
    [{ ...one, actions: [] }],
    [{ ...one, actions: ["tool:raise", "tool:look"] }],
    [{ ...one, actions: ["raise"] }],
    [{ ...one, actions: ["delegate:answer"] }],
    [{ ...one, actions: ["tool:../x y"] }],
    [{ ...one, locations: [] }],
    [{ ...one, locations: ["hr", "kb"] }],
    [{ ...one, locations: ["h r"] }],
    [{ ...one, arguments: [1] }],
    [{ ...one, limits: [{ uses: 1 }] }],
    [{ ...one, more: 1 }],
  ]) {
    details(value)
  }
  for (const text of ["{", "[{]", '[{"type":"a","type":"b"}]', ""]) {
    refuses({ authorization_details: text }, "invalid_authorization_details")
  }
})

test("RFC 9396 §2: values of arguments are what they are, lists and objects too", () => {
  const given = { to: ["a", "b"], options: { urgent: true, count: 2 }, note: null }
  const { action } = read({ authorization_details: JSON.stringify([raise(given)]) })
  assert.deepEqual(action, { type: "tool", operation: "raise", resource: "hr", arguments: given })
  assert.deepEqual(read({ authorization_details: [raise(given)] }).action, action, "as a signed request has it")
  const { arguments: _, ...bare } = raise()
  assert.deepEqual(actionOf([bare]).arguments, {})
  const held = { ...action, id: "action_1", digest: "d", salt: "s" }
  assert.deepEqual(detailOf(held), raise(given), "and what was granted is what was asked")
})

test("whatever a parameter is, it is read or refused in words, and never breaks anything", () => {
  const names = ["request", "user_code", "client_notification_token", ...Object.keys(backchannelForm.shape)]
  const value = fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 4 }), fc.constant(undefined))
  fc.assert(
    fc.property(fc.constantFrom(...names), value, fc.constantFrom("poll", "ping"), (name, given, delivery) => {
      try {
        const { action } = readParameters({ ...good, [name]: given as never }, { issuer, delivery: delivery as "poll" })
        assert.ok(actionSchema.safeParse(action).success)
      } catch (error) {
        assert.ok(refusalCode(error) !== null, String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})

test("whatever details are sent, one action is understood, or none", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (details) => {
      try {
        const action = actionOf(details as never)
        assert.deepEqual(actionOf([detailOf({ ...action, id: "", digest: "", salt: "" })] as never), action)
      } catch (error) {
        assert.equal(refusalCode(error), "details-invalid")
      }
    }),
    { numRuns: 1_000 },
  )
})
