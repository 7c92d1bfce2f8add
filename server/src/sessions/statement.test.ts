import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { refusalCode, systemClock } from "#kernel"
import { readApplicationAssertion } from "./application-assertion.ts"
import { issuer, openTestSessions } from "./fixture.ts"
import { hashOf, newSigner, seconds, unsigned } from "./proof.fixture.ts"
import { parsePurposes } from "./purposes.ts"
import { statingApplication } from "./statement.fixture.ts"
import { MAX_REQUEST_LENGTH, readStatement, requireParameters } from "./statement.ts"
import { usingUp } from "./used-once.ts"

const refused = (error: unknown) => refusalCode(error) === "statement-invalid"
const actions = [{ type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }]
const parameters = {
  order: { description: "The order" },
  days: { description: "How many days", type: "number", isRequired: false },
}
const purpose = {
  ...parsePurposes({ "answer-questions": { description: "Answer", actions, parameters } })["answer-questions"]!,
  name: "answer-questions",
}
const shop = await statingApplication({ issuer })
const other = await statingApplication({ issuer, name: "other-web", agents: ["other-bot"] })
const known = { ...shop.part, ...other.part }
const parts = {
  issuer,
  clock: systemClock,
  application: (name: string) => (Object.hasOwn(known, name) ? { ...known[name]!, name } : null),
}
const read = (text: string, agent = "support-bot") => readStatement(parts, text, { agent, purpose })

test("a statement carries the user's words and declared parameters, as its application's", async () => {
  const text = "Where is my order 4711?\nPlease hurry."
  const said = { safeconduct_request: text, safeconduct_parameters: { order: "4711", days: 3 } }
  const statement = read(await shop.statement(said))
  assert.equal(statement.application.name, "shop-web")
  assert.deepEqual(statement.requestText, { kind: "application", text })
  assert.deepEqual(statement.parameters, { order: "4711", days: 3 })
  const silent = read(await shop.statement())
  assert.deepEqual([silent.requestText, silent.parameters], [null, {}])
  assert.throws(() => requireParameters(purpose, silent.parameters), refused, "a required parameter")
  requireParameters(purpose, statement.parameters)
})

test("an Ed25519 key signs statements too, and each key with its own algorithm alone", async () => {
  const edwards = await statingApplication({ issuer, alg: "EdDSA" })
  const at = { ...parts, application: () => ({ ...edwards.part["shop-web"]!, name: "shop-web" }) }
  readStatement(at, await edwards.statement(), { agent: "support-bot", purpose })
  assert.throws(() => read("a.b.c"), refused)
  const claims = JSON.parse(Buffer.from((await edwards.statement()).split(".")[1]!, "base64url").toString())
  const swapped = unsigned({ typ: "safeconduct-statement+jwt", alg: "ES256", kid: "shop-web-1" }, claims, "AA")
  assert.throws(() => readStatement(at, swapped, { agent: "support-bot", purpose }), refused)
})

test("pitfall 4, audience injection: a statement for us and somebody else, or for somebody else, is refused", async () => {
  for (const aud of [[issuer], [issuer, "https://other.example"], "https://other.example", `${issuer}/`, undefined]) {
    const text = await shop.statement({ aud })
    assert.throws(() => read(text), refused, JSON.stringify(aud))
    const assertion = { client_assertion_type: TYPE, client_assertion: await shop.assertion({ aud }) }
    assert.throws(() => readApplicationAssertion(parts, assertion), { code: "client-assertion-invalid" })
  }
})

test("pitfall 14, type confusion: a statement is no client assertion, and neither is the other", async () => {
  const asAssertion = { client_assertion_type: TYPE, client_assertion: await shop.statement({ sub: "shop-web" }) }
  assert.throws(() => readApplicationAssertion(parts, asAssertion), { code: "client-assertion-invalid" })
  for (const typ of [undefined, "JWT", "client-authentication+jwt", "at+jwt", "dpop+jwt"] as const) {
    const text = await shop.statement({}, { typ: typ as string })
    assert.throws(() => read(text), refused, typ)
  }
  readApplicationAssertion(parts, { client_assertion_type: TYPE, client_assertion: await shop.assertion() })
})

test("pitfall 15, algorithm confusion: none, HMAC with the public key, and keys that the header brings along", async () => {
  const stranger = await newSigner()
  const claims = JSON.parse(Buffer.from((await shop.statement()).split(".")[1]!, "base64url").toString())
  const pem = Buffer.from(shop.publicKey.export({ format: "pem", type: "spki" }))
  const wrong = {
    none: unsigned({ alg: "none", typ: "safeconduct-statement+jwt", kid: "shop-web-1" }, claims),
    HS256: await shop.statement({}, { alg: "HS256" }, pem),
    "a stranger's key": await shop.statement({}, {}, stranger.privateKey),
    jwk: await shop.statement({}, { jwk: stranger.jwk as never }, stranger.privateKey),
    jku: await shop.statement({}, { jku: "https://other.example/keys" }, stranger.privateKey),
    "no kid": await shop.statement({}, { kid: undefined as never }),
    "another application's kid": await shop.statement({}, { kid: "other-web-1" }),
    "another application's key": await shop.statement({}, {}, other.privateKey),
    crit: await shop.statement({}, { crit: ["b64"], b64: true } as never).catch(() => "a.b.c"),
  }
  for (const [what, text] of Object.entries(wrong)) assert.throws(() => read(text), refused, what)
  const twice = { ...shop.part["shop-web"]!, name: "shop-web" }
  const doubled = {
    ...twice,
    keys: [...twice.keys, ...other.part["other-web"]!.keys.map((key) => ({ ...key, kid: "shop-web-1" }))],
  }
  const text = await shop.statement()
  const at = { ...parts, application: () => doubled }
  assert.throws(() => readStatement(at, text, { agent: "support-bot", purpose }), refused, "two keys of one name")
})

test("whatever else is wrong with a statement, it is refused", async () => {
  const wrong = {
    "an agent's name as issuer": { iss: "support-bot" },
    "no registered application": { iss: "unheard-of" },
    "another agent": { sub: "other-bot" },
    "another purpose": { safeconduct_purpose: "refund" },
    "no jti": { jti: undefined },
    "a short jti": { jti: "1" },
    "an end in the past": { iat: seconds() - 120, exp: seconds() - 1 },
    "an end in an hour": { exp: seconds() + 3_600 },
    "the future": { iat: seconds() + 120, exp: seconds() + 180 },
    "not yet": { nbf: seconds() + 30 },
    "a text that is too long": { safeconduct_request: "x".repeat(MAX_REQUEST_LENGTH + 1) },
    "no text": { safeconduct_request: "" },
    "a control character": { safeconduct_request: "pay\u0000me" },
    "an escape sequence": { safeconduct_request: "\u001b[2J" },
    "a parameter that nobody declared": { safeconduct_parameters: { amount: 5 } },
    "a parameter of another type": { safeconduct_parameters: { order: 4711 } },
    "a parameter of the prototype": { safeconduct_parameters: { toString: "x" } },
    "a claim that is not understood": { safeconduct_approval: true },
  }
  for (const [what, claims] of Object.entries(wrong)) {
    const text = await shop.statement(claims)
    assert.throws(() => read(text), refused, what)
  }
  const foreign = await other.statement({ sub: "support-bot" })
  assert.throws(() => read(foreign), refused, "an application that may not invoke the agent")
})

test("no text at all makes anything but a refusal", () => {
  const part = fc.oneof(
    fc.string(),
    fc.json().map((text) => Buffer.from(text).toString("base64url")),
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.tuple(part, part, part).map((all) => all.join(".")),
      ),
      (text) => {
        assert.throws(() => read(text), refused)
      },
    ),
    { numRuns: 300 },
  )
})

test("pitfall 12, replay: of many uses of one statement at two servers, one succeeds", async () => {
  await using room = await openTestSessions()
  const two = await room.another()
  const { jti, expiresAtMs } = read(await shop.statement())
  const use = { kind: "statement", maker: "shop-web", jti, expiresAtMs } as const
  const change = (more = {}) =>
    usingUp({ ...use, ...more }, () => Object.assign(new Error("used"), { isUsed: true }) as never)
  const uses = await Promise.allSettled(
    Array.from({ length: 8 }, (_, at) => (at % 2 === 0 ? room : two).audit.commit(change())),
  )
  assert.equal(uses.filter(({ status }) => status === "fulfilled").length, 1)
  await room.audit.commit(change({ maker: "other-web" }))
  await room.audit.commit(change({ kind: "subject-token" }))
  await assert.rejects(room.audit.commit(change({ jti: hashOf("new"), expiresAtMs: Date.now() - 1 })), { isUsed: true })
})

test("pitfall 16, malleability: a statement is known by what it says, however its signature is written", async () => {
  const text = await shop.statement()
  const [header, payload, signature] = text.split(".") as [string, string, string]
  const bytes = Buffer.from(signature, "base64url")
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const s = order - BigInt(`0x${bytes.subarray(32).toString("hex")}`)
  const other = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, "0"), "hex")])
  // ECDSA: of two signatures that are good each makes the other, without the key.
  const twin = read(`${header}.${payload}.${other.toString("base64url")}`)
  assert.equal(twin.jti, read(text).jti, "so the text is no name for it: jti is")
  const last = signature.at(-1)!
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  // The last character of 64 bytes holds four bits that mean nothing.
  const unused = alphabet[alphabet.indexOf(last) ^ 1]!
  for (const wrong of [`${signature.slice(0, -1)}${unused}`, `${signature}=`, `${signature}==`]) {
    assert.throws(() => read(`${header}.${payload}.${wrong}`), refused, wrong.slice(-4))
  }
})

const TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
