import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { test } from "node:test"
import { endOnExit } from "./exit.ts"

const EXIT = new URL("./exit.ts", import.meta.url).href

/** Runs a program that says "ready", sends it a signal then (if any), and tells what it printed and how it ended. */
async function run(program: string, ...signals: NodeJS.Signals[]) {
  const source = `import { endOnExit } from ${JSON.stringify(EXIT)}\n${program}`
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], { stdio: ["ignore", "pipe", "inherit"] })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk
    if (output.endsWith("ready\n")) for (const signal of signals.splice(0, 1)) child.kill(signal)
    if (output.endsWith("ending\n")) for (const signal of signals.splice(0, 1)) child.kill(signal)
  })
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null]
  return { output, code, signal }
}

const OPEN = `endOnExit(async () => { console.log("ended") })`
const STAY = `setInterval(() => {}, 1000); console.log("ready")`

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} ends what is open, and the process still dies of ${signal}`, async () => {
    const result = await run(`${OPEN}\n${STAY}`, signal)
    assert.deepEqual(result, { output: "ready\nended\n", code: null, signal })
  })
}

test("a process with nothing left to do ends what is open, and exits with its own code", async () => {
  const result = await run(`${OPEN}\nprocess.exitCode = 3`)
  assert.deepEqual(result, { output: "ended\n", code: 3, signal: null })
})

test("an application's own handler keeps the last word", async () => {
  const own = `process.on("SIGTERM", () => setTimeout(() => { console.log("mine"); process.exit(7) }, 50))`
  const result = await run(`${own}\n${OPEN}\n${STAY}`, "SIGTERM")
  assert.deepEqual(result, { output: "ready\nended\nmine\n", code: 7, signal: null })
})

test("a second signal does not wait for an end that hangs", async () => {
  const hang = `endOnExit(() => { console.log("ending"); return new Promise(() => {}) })`
  const started = Date.now()
  const result = await run(`${hang}\n${STAY}`, "SIGTERM", "SIGTERM")
  assert.equal(result.signal, "SIGTERM")
  assert.ok(Date.now() - started < 2_500)
})

test("what is opened after the loop ran empty is waited for as well when a signal comes", async () => {
  const slow = `async () => { await new Promise((done) => setTimeout(done, 50)); console.log("late ended") }`
  const late = `process.once("beforeExit", () => { endOnExit(${slow}); ${STAY} })`
  const result = await run(`${OPEN}\n${late}`, "SIGTERM")
  assert.deepEqual(result, { output: "ended\nready\nlate ended\n", code: null, signal: "SIGTERM" })
})

test("an end that hangs does not hold the process longer than three seconds", async () => {
  const started = Date.now()
  const result = await run(`endOnExit(() => new Promise(() => {}))\n${STAY}`, "SIGINT")
  assert.equal(result.signal, "SIGINT")
  assert.ok(Date.now() - started < 6_000)
})

test("what has ended leaves no handler behind", () => {
  const count = () => ["SIGINT", "SIGTERM", "beforeExit"].map((event) => process.listenerCount(event))
  const before = count()
  const first = endOnExit(async () => undefined)
  const second = endOnExit(async () => undefined)
  assert.deepEqual(
    count(),
    before.map((n) => n + 1),
  )
  first[Symbol.dispose]()
  second[Symbol.dispose]()
  assert.deepEqual(count(), before)
})
