import assert from "node:assert/strict"
import { test } from "node:test"
import { settings } from "@safeconduct/server/programs"
import type { Command } from "commander"
import { createProgram } from "./program.ts"
import { flagSettings } from "./settings.ts"
import { workplace } from "./testing/run.ts"

/** Every command that does something, by its whole name. */
function leaves(command: Command, name = ""): [string, Command][] {
  if (command.commands.length === 0) return [[name, command]]
  return command.commands.flatMap((each) => leaves(each, `${name} ${each.name()}`.trim()))
}

const all = leaves(createProgram("0.0.0"))

test("these are the commands", () => {
  assert.deepEqual(
    all.map(([name]) => name),
    [
      "dev",
      "serve",
      "migrate",
      "init",
      "apply",
      "login",
      "agents list",
      "agents show",
      "agents join-token",
      "agents enrol",
      "agents suspend",
      "agents resume",
      "agents revoke-instance",
      "agents retire",
      "operators list",
      "operators join-token",
      "operators recover",
      "operators enrol",
      "operators retire",
      "sessions list",
      "sessions show",
      "sessions explain",
      "sessions tree",
      "sessions end",
      "sessions providers list",
      "sessions providers configure",
      "credentials leases",
      "credentials show",
      "credentials resources",
      "credentials revoke",
      "credentials postgres prepare",
      "credentials postgres check",
      "credentials postgres configure",
      "policy test",
      "policy explain",
      "policy simulate",
      "policy changes",
      "policy approve",
      "policy deny",
      "approvals list",
      "approvals show",
      "approvals report",
      "approvals grants",
      "approvals revoke-grant",
      "approvals reports",
      "approvals lift",
      "approvals simulate",
      "approvals evidence",
      "approvals verify",
      "approvals passkeys",
      "approvals confirm-passkey",
      "approvals channels list",
      "approvals channels set-secret",
      "approvals forget",
      "audit verify",
      "audit rotate",
      "audit list",
      "audit show",
      "audit receipt",
      "audit export",
      "audit key",
      "keys list",
      "keys create",
      "keys rotate",
      "keys add",
      "keys retire",
      "doctor",
      "config explain",
    ],
  )
})

test("every command takes --json, and begins its help with an example of itself", () => {
  for (const [name, command] of all) {
    assert.ok(
      command.options.some(({ long }) => long === "--json"),
      `${name} lacks --json`,
    )
    let help = ""
    command.configureOutput({ writeOut: (text) => (help += text) })
    command.outputHelp()
    assert.ok(help.startsWith("Examples:\n  $ "), `${name} does not begin with examples`)
    assert.ok(help.includes(`safeconduct ${name}`), `${name} has no example of itself`)
  }
})

test("no option takes a secret as its value", () => {
  for (const [name, command] of all) {
    for (const { long, flags } of command.options) {
      const isSecret = /token|password|secret|admin-url/.test(long ?? "") && !long!.endsWith("-file")
      if (isSecret) assert.match(flags, /<->$/, `${name} ${long}`)
    }
  }
})

test("the server's settings are flags here, but for those that hold a password", () => {
  const expected = Object.entries(settings).filter(([, setting]) => !("isSecret" in setting))
  assert.deepEqual(
    Object.keys(flagSettings),
    expected.map(([name]) => name),
  )
})

test("alone it tells a beginner five commands", async () => {
  using place = workplace()
  const { code, stdout } = await place.run([])
  assert.equal(code, 0)
  assert.equal(stdout.match(/^ {2}safeconduct /gm)?.length, 5)
})

test("a typo is a usage error that suggests what was meant", async () => {
  using place = workplace()
  for (const [args, meant] of [
    [["agnets", "list"], "agents"],
    [["agents", "lsit"], "list"],
    [["agents", "list", "--jsno"], "--json"],
  ] as const) {
    const { code, stdout, stderr } = await place.run(args)
    assert.deepEqual([code, stdout], [2, ""], args.join(" "))
    assert.match(stderr, new RegExp(`Did you mean ${meant}`))
  }
})

test("help and version are data; a noun alone is a mistake", async () => {
  using place = workplace()
  assert.match((await place.run(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/)
  assert.equal((await place.run(["help", "agents"])).code, 0)
  const { code, stdout, stderr } = await place.run(["agents"])
  assert.deepEqual([code, stdout], [2, ""])
  assert.match(stderr, /join-token/)
})

test("who is not logged in is not authorised, and hears what to do; with --json as JSON", async () => {
  using place = workplace()
  const plain = await place.run(["agents", "list"])
  assert.equal(plain.code, 4)
  assert.match(plain.stderr, /safeconduct login/)
  const json = await place.run(["agents", "list", "--json"])
  assert.equal(json.code, 4)
  assert.equal((JSON.parse(json.stderr) as { error: { code: string } }).error.code, "identity-missing")
})

test("a secret on the command line is refused before anything is sent", async () => {
  using place = workplace()
  const { code, stderr } = await place.run(["login", "--url", "https://127.0.0.1:1", "--join-token", "abc.def"])
  assert.equal(code, 2)
  assert.match(stderr, /every user of this machine/)
})

test("a server that is not there is a reason to come back later, not a failure of the request", async () => {
  using place = workplace()
  const token = `${"a".repeat(43)}.${"b".repeat(43)}`
  const { code } = await place.run(["login", "--url", "https://127.0.0.1:1", "--join-token", "-"], { input: token })
  assert.equal(code, 75)
})

test("config explain says where each value came from, and shows no password", async () => {
  using place = workplace({ DATABASE_URL: "postgres://server:hunter2@db/own", SAFECONDUCT_TRUST_DOMAIN: "example.com" })
  const { code, rows, stdout } = await place.run(["config", "explain", "--json", "--log-level", "debug"])
  assert.equal(code, 0)
  const origin = Object.fromEntries(rows.map(({ setting, origin }) => [setting, origin]))
  assert.deepEqual(
    [origin["logLevel"], origin["trustDomain"], origin["webAddress"]],
    ["flag", "environment", "default"],
  )
  assert.equal(stdout.includes("hunter2"), false)
})

test("a setting that cannot work is a usage error that names it", async () => {
  using place = workplace()
  const { code, stderr } = await place.run(["config", "explain"], { env: { SAFECONDUCT_WEB_ADDRESS: "0.0.0.0:80" } })
  assert.equal(code, 2)
  assert.match(stderr, /SAFECONDUCT_WEB_ADDRESS/)
})
