import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { addressOf, parseAddress, readConfiguration, type SettingName, settings, shown } from "./configuration.ts"

const read = (environment: Record<string, string> = {}, flags: Partial<Record<SettingName, string>> = {}) =>
  readConfiguration(flags, environment)

test("a flag is stronger than the environment, which is stronger than the default, and each says where it came from", () => {
  const environment = { SAFECONDUCT_TRUST_DOMAIN: "env.example", SAFECONDUCT_LOG_LEVEL: "debug", UNRELATED: "x" }
  const { trustDomain, logLevel, folder, origins } = read(environment, { trustDomain: "flag.example" })
  assert.deepEqual([trustDomain, logLevel, folder], ["flag.example", "debug", ".safeconduct"])
  assert.deepEqual([origins.trustDomain, origins.logLevel, origins.folder], ["flag", "environment", "default"])
  assert.equal(read({ SAFECONDUCT_LOG_LEVEL: "" }).origins.logLevel, "default", "set to nothing is not set")
})

test("defaults follow what they are made of", () => {
  const made = read({ SAFECONDUCT_FOLDER: "/var/lib/sc", SAFECONDUCT_AGENTS_ADDRESS: "10.0.0.1:8443" })
  assert.equal(made.keyEncryptionKeyFile, "/var/lib/sc/keys/key-encryption.key")
  assert.equal(made.agentsUrl, "https://10.0.0.1:8443")
  assert.equal(made.issuer, "http://127.0.0.1:7420")
})

test("a variable that no setting reads is refused by its name", () => {
  assert.throws(() => read({ SAFECONDUCT_TRUSTDOMAIN: "x" }), {
    code: "invalid-request",
    message: /^SAFECONDUCT_TRUSTDOMAIN is no setting/,
  })
  for (const name of ["SAFECONDUCT_URL", "SAFECONDUCT_IDENTITY", "SAFECONDUCT_JOIN_TOKEN"]) read({ [name]: "x" })
})

const refused: [string, string[]][] = [
  [
    "SAFECONDUCT_AGENTS_ADDRESS",
    [
      "7443",
      "127.0.0.1",
      "127.0.0.1:",
      ":7443",
      "127.0.0.1:65536",
      "127.0.0.1:-1",
      "::1:7443",
      "a b:1",
      "127.0.0.1:7443/x",
      "127.0.0.1:0x10",
    ],
  ],
  [
    "SAFECONDUCT_WEB_ADDRESS",
    ["0.0.0.0:7420", "10.0.0.1:7420", "example.com:7420", "[::]:7420", "127.0.0.1.evil.example:1"],
  ],
  ["SAFECONDUCT_OPS_ADDRESS", ["0.0.0.0:7421", "[::]:1"]],
  [
    "SAFECONDUCT_AGENTS_URL",
    [
      "http://a.example",
      "https://0.0.0.0:7443",
      "https://[::]:1",
      "a.example",
      "https://a.example/path",
      "https://user@a.example",
      "ftp://a",
    ],
  ],
  [
    "SAFECONDUCT_ISSUER",
    ["http://a.example", "https://a.example/path", "https://a.example?x=1", "https://a.example#x", "a.example"],
  ],
  ["SAFECONDUCT_SERVER_ROLE", ["a b", "A", `a"; drop role b; --`, "1a"]],
  ["SAFECONDUCT_LOG_LEVEL", ["loud", "trace"]],
]
for (const [variable, values] of refused) {
  test(`${variable} is refused, by its name, where it cannot work`, () => {
    for (const value of values) {
      assert.throws(
        () => read({ [variable]: value }),
        { code: "invalid-request", message: new RegExp(`^${variable} `) },
        value,
      )
    }
  })
}

test("an address of every interface needs a URL that agents reach it by", () => {
  const environment = { SAFECONDUCT_AGENTS_ADDRESS: "0.0.0.0:7443" }
  assert.throws(() => read(environment), { message: /^SAFECONDUCT_AGENTS_URL must say how agents reach this server/ })
  assert.equal(
    read({ ...environment, SAFECONDUCT_AGENTS_URL: "https://sc.example:7443" }).agentsUrl,
    "https://sc.example:7443",
  )
})

test("an address is read as it was written, IPv6 in brackets", () => {
  assert.deepEqual(parseAddress("[::1]:7443"), { host: "::1", port: 7443 })
  assert.deepEqual(parseAddress("localhost:0"), { host: "localhost", port: 0 })
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain())
  fc.assert(
    fc.property(host, fc.nat(65_535), (host, port) => {
      assert.deepEqual(parseAddress(addressOf({ host, port })), { host, port })
    }),
  )
})

test("a setting that holds a secret is never shown with it", () => {
  const secret = "s3cret"
  const urls = [
    `postgres://user:${secret}@db.example/sc`,
    `postgres://db.example/sc?password=${secret}`,
    `postgres://user:${secret}@db.example/sc?password=${secret}&sslmode=require`,
    `host=db password=${secret}`,
    secret,
  ]
  for (const url of urls) assert.doesNotMatch(shown("databaseUrl", url), new RegExp(secret), url)
  assert.match(shown("databaseUrl", urls[0]!), /^postgres:\/\/user:\*\*\*@db\.example\/sc$/)
  assert.equal(shown("ownerUrl", ""), "")
  assert.equal(shown("trustDomain", "a.example"), "a.example")
})

test("whatever the environment holds, it is read or refused, never anything else", () => {
  const names = Object.values(settings).map(({ variable }) => variable)
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), fc.string({ unit: "binary" })), (environment) => {
      try {
        read(environment)
      } catch (error) {
        assert.equal((error as { code?: string }).code, "invalid-request")
      }
    }),
  )
})
