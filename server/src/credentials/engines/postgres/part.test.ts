import assert from "node:assert/strict"
import { test } from "node:test"
import { type Refusal, refusalCode } from "#kernel"
import { parsePostgres } from "./part.ts"

const least = {
  engine: "postgres",
  host: "db.example.com",
  database: "kb",
  operations: { read: { groupRole: "kb_read" } },
}

test("a part needs host, database and one operation; the rest has safe defaults", () => {
  const { port, tls, limits } = parsePostgres(least, "resources.kb")
  assert.deepEqual(
    { port, tls, limits },
    {
      port: 5432,
      tls: "verify-full",
      limits: { leases: 1_000, leasesPerSession: 5, connectionsPerLease: 5, scramIterations: 4096 },
    },
  )
})

const refusals: [title: string, part: object, path: string][] = [
  ["no TLS beyond the machine", { tls: "disable" }, "resources.kb.tls"],
  ["no TLS to a name that may be elsewhere", { host: "localhost.example.com", tls: "disable" }, "resources.kb.tls"],
  ["an unknown field", { sslmode: "disable" }, "resources.kb"],
  ["an unknown limit", { limits: { lease: 1 } }, "resources.kb.limits"],
  ["an iteration count between", { limits: { scramIterations: 100 } }, "resources.kb.limits.scramIterations"],
  ["no operation", { operations: {} }, "resources.kb.operations"],
  [
    "a role name over 63 characters",
    { operations: { read: { groupRole: "r".repeat(64) } } },
    "resources.kb.operations.read.groupRole",
  ],
  ["a host with a path", { host: "/var/run" }, "resources.kb.host"],
  ["a port of zero", { port: 0 }, "resources.kb.port"],
]
for (const [title, part, path] of refusals) {
  test(`a part is refused for ${title}`, () => {
    assert.throws(
      () => parsePostgres({ ...least, ...part }, "resources.kb"),
      (error: Refusal) => refusalCode(error) === "policy-invalid" && error.detail?.["path"] === path,
    )
  })
}

test("loopback may do without TLS", () => {
  for (const host of ["127.0.0.1", "::1", "localhost"])
    parsePostgres({ ...least, host, tls: "disable" }, "resources.kb")
})
