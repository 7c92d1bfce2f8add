import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import process from "node:process"
import { test } from "node:test"
import { startProvider } from "./program.ts"
import { clientOf } from "./testing/relying-party.ts"

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test("a provider in a process of its own answers, and ends when it is disposed of", async () => {
  const provider = await startProvider({ clients: [clientOf()] })
  assert.equal((await fetch(`${provider.issuer}/jwks`)).status, 200)
  await provider[Symbol.asyncDispose]()
  await assert.rejects(fetch(`${provider.issuer}/jwks`))
  assert.equal(isAlive(provider.pid), false)
})

test("one that cannot start says why", async () => {
  await using provider = await startProvider({ clients: [] })
  const port = Number(new URL(provider.issuer).port)
  await assert.rejects(startProvider({ clients: [], port }), /The provider did not start: .*EADDRINUSE/)
  await assert.rejects(startProvider({ clients: [], address: "0.0.0.0" }), /only this machine reaches it/)
})

test("one that ends by itself is reported", async () => {
  const told = Promise.withResolvers<string>()
  await using provider = await startProvider({ clients: [], onProblem: told.resolve })
  process.kill(provider.pid, "SIGKILL")
  assert.equal(await told.promise, "The provider ended.")
})

test("one whose starter is killed ends, too", async () => {
  const program = `import { startProvider } from ${JSON.stringify(new URL("./program.ts", import.meta.url).href)}
    const { issuer, pid } = await startProvider({ clients: [] })
    console.log(JSON.stringify({ issuer, pid }))`
  const starter = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  const [line] = await once(starter.stdout, "data")
  const { issuer, pid } = JSON.parse(String(line)) as { issuer: string; pid: number }
  assert.ok(isAlive(pid))
  starter.kill("SIGKILL")
  // Who is asked for as long as it lives holds the answer back: the connection closes when it ends.
  while (isAlive(pid)) await fetch(issuer).catch(() => new Promise((resolve) => setTimeout(resolve, 20)))
})
