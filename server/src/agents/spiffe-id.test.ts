import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { refusalCode } from "#kernel"
import { parseSpiffeId, principalNamed, spiffeIdOf } from "./spiffe-id.ts"

const refused = (text: string) =>
  assert.throws(
    () => parseSpiffeId(text),
    (error) => refusalCode(error) === "svid-invalid",
    `accepted ${text}`,
  )

test("an ID is its trust domain and its path", () => {
  const id = parseSpiffeId("spiffe://example.org/agent/support-bot")
  assert.deepEqual(id, {
    text: "spiffe://example.org/agent/support-bot",
    trustDomain: "example.org",
    path: "/agent/support-bot",
  })
  assert.equal(parseSpiffeId("spiffe://example.org").path, "")
})

test("the path keeps its case, and a trust domain may look like an address", () => {
  assert.equal(parseSpiffeId("spiffe://10.0.0.1/Agent/A").path, "/Agent/A")
})

test("2048 bytes are accepted and 2049 are not", () => {
  const base = "spiffe://example.org/"
  assert.equal(parseSpiffeId(base + "a".repeat(2048 - base.length)).text.length, 2048)
  refused(base + "a".repeat(2049 - base.length))
})

test("a trust domain of 255 bytes is accepted and one of 256 is not", () => {
  assert.equal(parseSpiffeId(`spiffe://${"a".repeat(255)}/x`).trustDomain.length, 255)
  refused(`spiffe://${"a".repeat(256)}/x`)
})

for (const [fact, text] of [
  ["empty text", ""],
  ["another scheme", "https://example.org/agent/a"],
  ["an upper-case scheme", "SPIFFE://example.org/agent/a"],
  ["a missing authority", "spiffe:/agent/a"],
  ["an empty trust domain", "spiffe:///agent/a"],
  ["an upper-case trust domain", "spiffe://Example.org/agent/a"],
  ["a port", "spiffe://example.org:8443/agent/a"],
  ["a user name", "spiffe://me@example.org/agent/a"],
  ["percent-encoding in the trust domain", "spiffe://ex%61mple.org/agent/a"],
  ["percent-encoding in the path", "spiffe://example.org/agent%2Fa"],
  ["a trailing slash", "spiffe://example.org/agent/"],
  ["a root path", "spiffe://example.org/"],
  ["an empty segment", "spiffe://example.org/agent//a"],
  ["a dot segment", "spiffe://example.org/agent/./a"],
  ["a parent segment", "spiffe://example.org/agent/../a"],
  ["a query", "spiffe://example.org/agent/a?b"],
  ["a fragment", "spiffe://example.org/agent/a#b"],
  ["a space", "spiffe://example.org/agent/a b"],
  ["a null byte", "spiffe://example.org/agent/a\u0000"],
  ["a newline at the end", "spiffe://example.org/agent/a\n"],
  ["a newline after the trust domain", "spiffe://example.org\n/agent/a"],
  ["a letter that is not ASCII", "spiffe://example.org/agent/ä"],
  ["a backslash", "spiffe://example.org\\agent"],
] as const) {
  test(`${fact} is refused`, () => refused(text))
}

const domains = fc.stringMatching(/^[a-z0-9._-]{1,40}$/)
const segments = fc.stringMatching(/^[a-zA-Z0-9._-]{1,20}$/).filter((text) => text !== "." && text !== "..")

test("whatever is built from the two alphabets parses to what it was built from", () => {
  fc.assert(
    fc.property(domains, fc.array(segments, { maxLength: 6 }), (trustDomain, parts) => {
      const path = parts.map((part) => `/${part}`).join("")
      const id = parseSpiffeId(`spiffe://${trustDomain}${path}`)
      assert.equal(id.trustDomain, trustDomain)
      assert.equal(id.path, path)
    }),
  )
})

test("whatever parses is made of the two alphabets, and printing the parts gives it back", () => {
  const noise = fc.oneof(fc.string(), fc.webUrl(), fc.string({ unit: fc.constantFrom(..."spiffe:/.%@a-A?#_") }))
  fc.assert(
    fc.property(noise, (tail) => {
      const text = `spiffe://example.org/${tail}`
      try {
        const id = parseSpiffeId(text)
        assert.equal(`spiffe://${id.trustDomain}${id.path}`, text)
        assert.match(text, /^spiffe:\/\/[a-z0-9._-]+(\/[a-zA-Z0-9._-]+)*$/)
      } catch (error) {
        if (refusalCode(error) !== "svid-invalid") throw error
      }
    }),
    { numRuns: 500 },
  )
})

test("only /agent/<name> and /operator/<name> name a principal of ours", () => {
  const named = (path: string) => principalNamed(parseSpiffeId(`spiffe://example.org${path}`))
  assert.deepEqual(named("/agent/a"), { kind: "agent", name: "a" })
  assert.deepEqual(named("/operator/b"), { kind: "operator", name: "b" })
  for (const path of ["", "/server", "/agent", "/agent/a/b", "/Agent/a"]) assert.equal(named(path), null)
  assert.equal(spiffeIdOf("example.org", "agent", "a"), "spiffe://example.org/agent/a")
})
