import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import { clientOf } from "./testing/relying-party.ts"

const configuration = { clients: [clientOf()] }

function start(...args: string[]) {
  const program = fileURLToPath(new URL("./main.ts", import.meta.url))
  const child = spawn(process.execPath, ["--conditions=source", program, ...args], { stdio: "pipe" })
  const ended = once(child, "close")
  const said = async () => JSON.parse(String((await once(child.stdout, "data"))[0])) as { issuer: string }
  return {
    child,
    said,
    errors: text(child.stderr),
    ended: ended.then(([code]) => code as number | null),
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  }
}

test("the program says its issuer, and ends with whoever started it", async () => {
  using program = start()
  program.child.stdin.write(`${JSON.stringify(configuration)}\n`)
  const { issuer } = await program.said()
  const metadata = await fetch(`${issuer}/.well-known/openid-configuration`)
  assert.equal(((await metadata.json()) as { issuer: string }).issuer, issuer)
  program.child.stdin.end()
  assert.equal(await program.ended, 0)
  await assert.rejects(fetch(issuer))
})

test("the program reads its configuration from a file, too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "safeconduct-provider-"))
  try {
    writeFileSync(join(folder, "provider.json"), JSON.stringify(configuration))
    using program = start(join(folder, "provider.json"))
    assert.match((await program.said()).issuer, /^http:\/\/127\.0\.0\.1:\d+$/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const client = clientOf()
const wrong: { [what: string]: [string, RegExp] } = {
  nothing: ["", /The configuration is missing/],
  "no JSON": ["{\n", /is not JSON/],
  "another address": [`${JSON.stringify({ clients: [], address: "0.0.0.0" })}\n`, /only this machine reaches it/],
  "a misspelt member": [`${JSON.stringify({ clients: [], adress: "127.0.0.1" })}\n`, /nobody knows: adress/],
  "a port that is none": [`${JSON.stringify({ clients: [], port: 70_000 })}\n`, /port is a whole number/],
  "a client without an id": [
    `${JSON.stringify({ clients: [{ ...client, clientId: "" }] })}\n`,
    /clients\[0\]\.clientId/,
  ],
  "a client that proves itself by nothing known": [
    `${JSON.stringify({ clients: [{ ...client, authentication: { method: "tls_client_auth" } }] })}\n`,
    /clients\[0\]\.authentication\.method/,
  ],
}
for (const [what, [input, sentence]] of Object.entries(wrong)) {
  test(`given ${what}, the program says so and ends`, async () => {
    using program = start()
    program.child.stdin.end(input)
    assert.equal(await program.ended, 1)
    assert.match(await program.errors, sentence)
  })
}
