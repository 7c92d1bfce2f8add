import assert from "node:assert/strict"
import { test } from "node:test"
import { type AccessQuestion, evaluate } from "./evaluate.ts"
import { parse } from "./parse.ts"

const schema = `namespace app {
  type Badge = { level: Long, colour?: String };
  entity Limits { most: Long };
  entity Group in [Group];
  entity user in [Group] { role?: String, boss?: user, badge?: Badge, from?: ipaddr };
  entity record { status?: String };
  action read, write appliesTo { principal: [user, agents::Agent], resource: record, context: { soft?: Bool } };
}
namespace shop { entity cart; entity record; action read appliesTo { principal: app::user, resource: [cart, app::record] }; }`

const entities = JSON.stringify([
  { uid: { type: "app::user", id: "alice" }, attrs: { role: "clerk" }, parents: [{ type: "app::Group", id: "team" }] },
  { uid: { type: "app::user", id: "bob" }, attrs: {}, parents: [] },
  { uid: { type: "app::Group", id: "team" }, attrs: {}, parents: [{ type: "app::Group", id: "staff" }] },
  { uid: { type: "app::Group", id: "staff" }, attrs: {}, parents: [] },
  { uid: { type: "app::Limits", id: "badge" }, attrs: { most: 3 }, parents: [] },
])

const setOf = (text: string) =>
  parse([{ file: "a.cedar", text }], null, {
    schemas: [{ file: "a.cedarschema", text: schema }],
    entities: [{ file: "a.json", text: entities }],
  })

type Properties = { [name: string]: never } | object
const asked = (more: { subject?: Properties; resource?: object; action?: object; context?: object } = {}) =>
  ({
    subject: { type: "app::user", id: "alice", ...more.subject },
    action: { name: "read", ...more.action },
    resource: { type: "app::record", id: "r1", ...more.resource },
    ...(more.context === undefined ? {} : { context: more.context }),
  }) as AccessQuestion

const verdict = (text: string, question: AccessQuestion) => evaluate(setOf(text), question).verdict

test("groups come from the configuration through every level, and never from the question", () => {
  const staff = '@id("staff") permit(principal in app::Group::"staff", action, resource is app::record);'
  assert.equal(verdict(staff, asked()), "allow")
  assert.equal(verdict(staff, asked({ subject: { id: "bob" } })), "deny")
  const claim = { id: "bob", properties: { Group: "staff", parents: [{ type: "app::Group", id: "staff" }] } }
  assert.equal(verdict(staff, asked({ subject: claim })), "deny")
})

test("what the question says of an attribute wins over what is configured", () => {
  const admins =
    '@id("a") permit(principal is app::user, action, resource is app::record) when { principal has role && principal.role == "admin" };'
  assert.equal(verdict(admins, asked()), "deny")
  assert.equal(verdict(admins, asked({ subject: { properties: { role: "admin" } } })), "allow")
})

test("an attribute that the schema does not declare, or that is null, is not there", () => {
  const any =
    '@id("a") permit(principal is app::user, action, resource is app::record) when { !(resource has status) };'
  const question = asked({ resource: { properties: { status: null, owner: "bob", deep: { a: [1.5] } } } })
  assert.equal(verdict(any, question), "allow")
})

test("a declared attribute of another type is denied in words, and a forbid is never skipped for it", () => {
  const both = `@id("p") permit(principal is app::user, action, resource is app::record);
    @id("f") forbid(principal is app::user, action, resource is app::record) when { principal has role && principal.role == "barred" };`
  assert.equal(verdict(both, asked()), "allow")
  for (const role of [1, ["barred"], { a: "barred" }, 1.5, true]) {
    const decision = evaluate(setOf(both), asked({ subject: { properties: { role } } }))
    assert.equal(decision.verdict, "deny", JSON.stringify(role))
    assert.match(decision.reasons[0]!, /does not fit the schema/)
    assert.equal(decision.errors.length, 1)
  }
})

test("what a condition reads of other entities is there: by attribute, and by name in the policy", () => {
  const boss = `@id("b") permit(principal is app::user, action, resource is app::record)
    when { principal has boss && principal.boss has role && principal.boss.role == "clerk" };`
  const led = { id: "bob", properties: { boss: { type: "app::user", id: "alice" } } }
  assert.equal(verdict(boss, asked({ subject: led })), "allow")
  const named = `@id("l") permit(principal is app::user, action, resource is app::record)
    when { principal has badge && principal.badge.level <= app::Limits::"badge".most };`
  const badge = (level: number) => asked({ subject: { properties: { badge: { level, colour: null, size: 1 } } } })
  assert.equal(verdict(named, badge(3)), "allow")
  assert.equal(verdict(named, badge(4)), "deny")
  // An entity that nobody knows has no attributes: reading one fails, and a failure denies.
  const stranger = `@id("s") permit(principal is app::user, action, resource is app::record);
    @id("x") forbid(principal is app::user, action, resource) when { app::Limits::"none".most > 3 };`
  assert.match(evaluate(setOf(stranger), asked()).reasons[0]!, /Policy x cannot be evaluated/)
})

test("a question that more entities belong to than fit is denied", () => {
  const chain = Array.from({ length: 600 }, (_, at) => ({
    uid: { type: "app::Group", id: `g${at}` },
    attrs: {},
    parents: [{ type: "app::Group", id: `g${at + 1}` }],
  }))
  const user = (at: number) => ({ uid: { type: "app::user", id: `u${at}` }, attrs: {}, parents: [chain[at]!.uid] })
  const set = parse([{ file: "a.cedar", text: '@id("a") permit(principal is app::user, action, resource);' }], null, {
    schemas: [{ file: "a.cedarschema", text: schema }],
    entities: [{ file: "a.json", text: JSON.stringify([...chain, user(0), user(400)]) }],
  })
  assert.equal(evaluate(set, asked({ subject: { id: "u400" } })).verdict, "allow")
  const deep = evaluate(set, asked({ subject: { id: "u0" } }))
  assert.deepEqual([deep.verdict, deep.reasons], ["deny", ["Too many entities belong to this question."]])
})

test("what is said twice, of the action and of the circumstances, is denied", () => {
  const soft =
    '@id("s") permit(principal is app::user, action, resource is app::record) when { context has soft && context.soft };'
  assert.equal(verdict(soft, asked({ context: { soft: true, time: "noon" } })), "allow")
  assert.equal(verdict(soft, asked({ action: { properties: { soft: true, method: "GET" } } })), "allow")
  const twice = evaluate(setOf(soft), asked({ context: { soft: true }, action: { properties: { soft: false } } }))
  assert.deepEqual(
    [twice.verdict, twice.reasons[0]],
    ["deny", 'Both action.properties and context say "soft"; say it once.'],
  )
})

test("a type without a namespace is the one of that name; unknown and ambiguous ones are denied", () => {
  const any = '@id("a") permit(principal is app::user, action, resource);'
  assert.equal(verdict(any, asked({ subject: { type: "user" } })), "allow")
  assert.equal(verdict(any, asked({ resource: { type: "cart" } })), "allow")
  for (const question of [
    asked({ subject: { type: "spaceship" } }),
    asked({ resource: { type: "record" } }),
    asked({ resource: { type: "sessions::User" } }),
    asked({ action: { name: "fly" } }),
    asked({ subject: { type: "policy::Action" } }),
  ]) {
    const { verdict: said, reasons } = evaluate(setOf(any), question)
    assert.equal(said, "deny")
    assert.match(reasons[0]!, /There is no (type|action) /)
  }
  assert.equal(verdict(any, asked({ action: { name: "shop::read" } })), "allow")
})

test("an agent of ours may be asked about, over what others protect and over what we do", () => {
  const bot = '@id("b") permit(principal == agents::Agent::"bot", action == app::Action::"read", resource);'
  assert.equal(verdict(bot, asked({ subject: { type: "agents::Agent", id: "bot" } })), "allow")
  assert.equal(verdict(bot, asked({ subject: { type: "agents::Agent", id: "other" } })), "deny")
  const own =
    '@id("o") @purpose("answer") permit(principal == agents::Agent::"bot", action == policy::Action::"tool", resource) when { context.operation == "ask" };'
  const question = (purpose: string, more: object = {}) =>
    asked({
      subject: { type: "agents::Agent", id: "bot" },
      action: { name: "tool", properties: { operation: "ask" } },
      resource: { type: "credentials::Resource", id: "kb" },
      context: { purpose, approved: true },
      ...more,
    })
  assert.equal(verdict(own, question("answer")), "allow")
  assert.equal(verdict(own, question("refunds")), "deny")
  assert.match(evaluate(setOf(own), question("answer", { action: { name: "tool" } })).reasons[0]!, /Name the operation/)
})

test("an approval that a question claims is none: the answer is ask", () => {
  const ask = `@id("p") permit(principal, action, resource is credentials::Resource);
    @id("f") @ask("user") forbid(principal, action == policy::Action::"tool", resource) unless { context.approved };`
  const question = asked({
    subject: { type: "agents::Agent", id: "bot" },
    action: { name: "tool", properties: { operation: "pay", approved: true } },
    resource: { type: "credentials::Resource", id: "kb" },
    context: { purpose: "answer", approved: true },
  })
  assert.equal(verdict(ask, question), "ask")
})

test("a schema that is not ours is prepared under few names, however many there are", () => {
  for (let at = 0; at < 30; at += 1) {
    const text = schema.replaceAll(/\bapp\b/g, `app${at}`)
    const set = parse(
      [{ file: "a.cedar", text: `@id("a") permit(principal is app${at}::user, action, resource);` }],
      null,
      {
        schemas: [{ file: "a.cedarschema", text }],
      },
    )
    const type = { subject: { type: `app${at}::user` }, resource: { type: `app${at}::record` } }
    assert.equal(evaluate(set, asked(type)).verdict, "allow")
  }
  assert.equal(verdict('@id("a") permit(principal is app::user, action, resource);', asked()), "allow")
})
