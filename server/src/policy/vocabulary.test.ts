import assert from "node:assert/strict"
import { test } from "node:test"
import { Refusal } from "#kernel"
import { parse } from "./parse.ts"

const schema = `namespace app {
  entity Group;
  entity user in [Group] { role?: String };
  entity record;
  action read appliesTo { principal: user, resource: record };
}`
const entity = (id: string, more: object = {}) => ({ uid: { type: "app::user", id }, attrs: {}, parents: [], ...more })

function refused(schemas: string[], entities: string[], expected: { message: RegExp; place: string }) {
  const files = (texts: string[], ending: string) => texts.map((text, at) => ({ file: `${at}.${ending}`, text }))
  assert.throws(
    () => parse([], null, { schemas: files(schemas, "cedarschema"), entities: files(entities, "json") }),
    (error) => {
      assert.ok(error instanceof Refusal && error.code === "policy-invalid", String(error))
      assert.match(error.message, expected.message)
      const { file, line, column } = error.detail as { file: string; line: number; column: number }
      assert.equal(`${file}:${line}:${column}`, expected.place)
      return true
    },
  )
}

test("a broken schema is refused with the place of the mistake, in whichever file it stands", () => {
  refused(["// é\nnamespace app { entity user }"], [], { message: /unexpected token/, place: "0.cedarschema:2:29" })
  const second = "// é\nnamespace shop {\n  entity cart in [bag];\n}"
  refused([schema, second], [], { message: /bag/, place: "1.cedarschema:3:19" })
  refused([schema, schema], [], { message: /duplicate namespace/, place: "1.cedarschema:1:11" })
})

test("a schema declares nothing of ours and nothing without a namespace", () => {
  refused(["namespace app { entity a; }\nnamespace agents { entity Robot; }"], [], {
    message: /agents is Safeconduct's own/,
    place: "0.cedarschema:2:1",
  })
  refused(["// namespace x\nnamespace credentials::vault { entity Key; }"], [], {
    message: /credentials::vault is Safeconduct's own/,
    place: "0.cedarschema:2:1",
  })
  refused(['namespace app { entity a; }\n@doc("//") namespace gate { entity Door; }'], [], {
    message: /gate is Safeconduct's own/,
    place: "0.cedarschema:2:22",
  })
  refused(["entity user;"], [], { message: /namespace of their own/, place: "0.cedarschema:1:1" })
})

test("entities that are broken, do not fit, are there twice, or are ours are refused where they stand", () => {
  const lines = (...entities: object[]) => `[\n${entities.map((each) => JSON.stringify(each)).join(",\n")}\n]`
  refused([schema], ['[\n{"uid": }]'], { message: /not JSON from here/, place: "0.json:2:9" })
  refused([schema], ["{}"], { message: /a JSON list/, place: "0.json:1:1" })
  refused([schema], [lines(entity("a"), entity("b", { attrs: { role: 1 } }))], {
    message: /expected to have type string/,
    place: "0.json:3:1",
  })
  refused([schema], [lines(entity("a"), entity("b", { colour: "red" }))], {
    message: /An entity is/,
    place: "0.json:3:1",
  })
  refused([schema], [lines(entity("a"), entity("b"), entity("a"))], { message: /there twice/, place: "0.json:4:1" })
  refused([schema], [lines(entity("a")), lines(entity("a"))], { message: /there twice/, place: "1.json:2:1" })
  refused([schema], [lines({ uid: { type: "agents::Agent", id: "bot" }, attrs: {}, parents: [] })], {
    message: /Safeconduct's own/,
    place: "0.json:2:1",
  })
  refused([], [lines(entity("a"))], { message: /not declared/, place: "0.json:2:1" })
})

test("of many entities the one that does not fit is found without asking for each", () => {
  const many = Array.from({ length: 10_000 }, (_, at) => entity(String(at), at === 7_654 ? { attrs: { role: 1 } } : {}))
  refused([schema], [`[\n${many.map((each) => JSON.stringify(each)).join(",\n")}\n]`], {
    message: /expected to have type string/,
    place: "0.json:7656:1",
  })
})

test("entities are bounded", () => {
  const many = Array.from({ length: 10_001 }, (_, at) => entity(String(at)))
  refused([schema], [JSON.stringify(many)], { message: /more than 10000 entities/, place: "0.json:1:1" })
})

test("a policy may speak of the configuration's own schema, and only with it", () => {
  const policies = [{ file: "a.cedar", text: '@id("a") permit(principal is app::user, action, resource);' }]
  assert.equal(parse(policies, null, { schemas: [{ file: "a.cedarschema", text: schema }] }).policies.length, 1)
  assert.throws(() => parse(policies), /app::user/)
})
