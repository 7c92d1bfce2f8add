import assert from "node:assert/strict"
import { test } from "node:test"
import { Refusal } from "#kernel"
import { parseAgents } from "./document.ts"

const detail = { type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }
const bot = { owner: "platform@example.com", description: "Answers", purposes: ["answer-questions"], ceiling: [detail] }

function refuses(document: unknown, path: string) {
  assert.throws(
    () => parseAgents(document),
    (error) => {
      assert.ok(error instanceof Refusal)
      assert.equal(error.code, "policy-invalid")
      assert.equal(error.detail?.path, path)
      return true
    },
  )
}

test("an agent's part reads as it is written, and what it leaves out allows nothing", () => {
  const whole = { ...bot, redirectUris: ["https://shop.example/callback"] }
  assert.deepEqual(parseAgents({ "support-bot": whole }), { "support-bot": whole })
  assert.deepEqual(parseAgents({ a: { owner: "o" } }), {
    a: { owner: "o", description: "", purposes: [], ceiling: [], redirectUris: [] },
  })
  assert.deepEqual(parseAgents(undefined), {})
})

test("the first mistake is named by its place", () => {
  refuses([], "agents")
  refuses({ a: {} }, "agents.a.owner")
  refuses({ a: { ...bot, celing: [] } }, "agents.a")
  refuses({ a: { ...bot, ceiling: [{ ...detail, more: 1 }] } }, "agents.a.ceiling.0")
  refuses({ a: { ...bot, ceiling: [{ ...detail, type: "other" }] } }, "agents.a.ceiling.0.type")
  refuses({ a: { ...bot, ceiling: [{ ...detail, actions: ["read"] }] } }, "agents.a.ceiling.0.actions.0")
  refuses({ a: { ...bot, ceiling: [{ ...detail, locations: [] }] } }, "agents.a.ceiling.0.locations")
})

test("a name that cannot stand in a SPIFFE ID or that a route has is refused", () => {
  for (const name of ["Bot", "a/b", "..", "a b", "", "a.", "-a", "x".repeat(64), "operators", "bundle"]) {
    refuses({ [name]: bot }, `agents.${name}`)
  }
})

test("a redirect URI is https or this machine, in one spelling, without user and fragment (pitfall 18)", () => {
  const good = [
    "https://shop.example/callback?a=b",
    "http://127.0.0.1/cb",
    "http://[::1]:8080/",
    "http://localhost:1/cb",
  ]
  assert.deepEqual(parseAgents({ a: { owner: "o", redirectUris: good } })["a"]!.redirectUris, good)
  const bad = [
    "http://shop.example/callback",
    "https://shop.example/a/../callback",
    "https://shop.example",
    "https://SHOP.example/",
    "https://shop.example:443/",
    "https://user@shop.example/",
    "https://shop.example/#",
    "https://shop.example/*#x",
    "shop:/callback",
    "javascript:alert(1)",
    "/callback",
    "",
  ]
  for (const uri of bad) refuses({ a: { owner: "o", redirectUris: [uri] } }, "agents.a.redirectUris.0")
})

test("an agent that is pinged says where, over https or on this machine, and one that polls says nothing", () => {
  const parsed = (backchannel: object) => parseAgents({ a: { owner: "o", backchannel } })["a"]!.backchannel
  const ping = { delivery: "ping", notificationEndpoint: "https://bot.example/pings" }
  const defaults = { network: "public", signed: "optional" }
  assert.deepEqual(parsed({}), { delivery: "poll", ...defaults })
  assert.deepEqual(parsed(ping), { ...ping, ...defaults })
  const here = { ...ping, notificationEndpoint: "http://127.0.0.1:9/p", network: "loopback", signed: "required" }
  assert.deepEqual(parsed(here), here)
  const at = "agents.a.backchannel.notificationEndpoint"
  refuses({ a: { owner: "o", backchannel: { delivery: "ping" } } }, at)
  refuses({ a: { owner: "o", backchannel: { notificationEndpoint: "https://bot.example/pings" } } }, at)
  refuses({ a: { owner: "o", backchannel: { delivery: "push" } } }, "agents.a.backchannel.delivery")
  refuses({ a: { owner: "o", backchannel: { ...ping, more: 1 } } }, "agents.a.backchannel")
  for (const notificationEndpoint of [
    "http://bot.example/pings",
    "http://127.0.0.1/p",
    "https://user@bot.example/",
    "https://bot.example/#",
    "https://bot.example",
    "ftp://bot.example/",
    "",
  ]) {
    refuses({ a: { owner: "o", backchannel: { ...ping, notificationEndpoint } } }, at)
  }
  refuses({ a: { owner: "o", backchannel: { ...here, notificationEndpoint: "ftp://127.0.0.1/" } } }, at)
})

test("what a client asks for that names no action is one action, registered whole", () => {
  const one = { type: "safeconduct_one_action", actions: ["tool:raise"], locations: ["hr"] }
  const part = (defaultAuthorizationDetails: unknown) => ({
    a: { owner: "o", backchannel: { defaultAuthorizationDetails } },
  })
  const kept = parseAgents(part([{ ...one, arguments: { amount: 1 } }]))["a"]!.backchannel
  assert.deepEqual(kept!.defaultAuthorizationDetails, [{ ...one, arguments: { amount: 1 } }])
  const at = "agents.a.backchannel.defaultAuthorizationDetails"
  refuses(part([]), at)
  refuses(part([one, one]), at)
  refuses(part([{ ...one, type: "safeconduct_action" }]), `${at}.0.type`)
  refuses(part([{ ...one, more: 1 }]), `${at}.0`)
})

test("a bound that would vanish by its name is refused", () => {
  const text = `{"a":{"owner":"o","ceiling":[{"type":"safeconduct_action","actions":["sql:read"],"locations":["kb"],
    "arguments":{"__proto__":{"max":1}}}]}}`
  refuses(JSON.parse(text), "agents.a.ceiling.0.arguments.__proto__")
  refuses(JSON.parse('{"__proto__":{"owner":"o"}}'), "agents.__proto__")
})

test("a bound of a ceiling that nobody understands is refused where it is written, not when it is asked about", () => {
  const part = (bounds: object) => ({
    a: { owner: "o", ceiling: [{ type: "safeconduct_action", actions: ["tool:pay"], locations: ["bank"], ...bounds }] },
  })
  const good = part({ arguments: { amount: [{ atMost: 50 }] }, limits: [{ uses: 3 }] })
  assert.deepEqual(parseAgents(good)["a"]!.ceiling, good.a.ceiling)
  refuses(part({ arguments: { amount: [{ before: 50 }] } }), "agents.a.ceiling.0.arguments.amount.0")
  refuses(part({ arguments: { amount: { atMost: 50 } } }), "agents.a.ceiling.0.arguments.amount")
  refuses(part({ limits: [{ perDay: 3 }] }), "agents.a.ceiling.0.limits.0")
})
