import assert from "node:assert/strict"
import { readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { test } from "node:test"
import { firstLine, run, scratchFolder } from "./fixture.ts"
import { lockFolder } from "./lock.ts"
import { isRunning, ownIdentity, startOf } from "./processes.ts"

const inUse = { name: "Refusal", code: "folder-in-use" }

test("a folder has one holder at a time", async () => {
  await using scratch = await scratchFolder()
  const first = lockFolder(scratch.path)
  assert.throws(() => lockFolder(scratch.path), inUse)
  first[Symbol.dispose]()
  using _second = lockFolder(scratch.path)
  assert.throws(() => lockFolder(scratch.path), inUse)
})

test("a dead holder holds nothing, nor does another process that got its number", async () => {
  for (const holder of [
    { pid: 2 ** 22 + 1, start: "gone" },
    { ...ownIdentity(), start: "an earlier boot 1" },
    { pid: 0, start: "released" },
    { pid: -1, start: ownIdentity().start },
  ]) {
    await using scratch = await scratchFolder()
    writeFileSync(join(scratch.path, "supervisor.7.lock"), JSON.stringify(holder))
    lockFolder(scratch.path)
    assert.throws(() => lockFolder(scratch.path), inUse)
    assert.deepEqual(readdirSync(scratch.path), ["supervisor.8.lock"])
  }
})

test("another living process is a holder too", async () => {
  await using scratch = await scratchFolder()
  const pid = process.ppid
  writeFileSync(join(scratch.path, "supervisor.1.lock"), JSON.stringify({ pid, start: startOf(pid) }))
  assert.throws(() => lockFolder(scratch.path), inUse)
})

test("of many processes that see a dead holder at once, one gets the folder", async () => {
  await using scratch = await scratchFolder()
  for (let round = 0; round < 3; round++) {
    const contenders = Array.from({ length: 4 }, () => run(CONTENDER, [scratch.path]))
    try {
      const answers = await Promise.all(contenders.map((child) => firstLine(child.stdout)))
      // All four live until all have answered, so that nobody wins after another has left.
      assert.deepEqual(answers.sort(), ["folder-in-use", "folder-in-use", "folder-in-use", "held"])
    } finally {
      await Promise.all(contenders.map((child) => ended(child)))
    }
  }
})

test("a process is known by its start, and a zombie is not running", async () => {
  assert.ok(isRunning(ownIdentity()))
  assert.ok(!isRunning({ ...ownIdentity(), start: "other" }))
  const child = run("setInterval(() => undefined, 60_000)", [])
  const self = { pid: child.pid!, start: startOf(child.pid!) ?? "" }
  assert.ok(isRunning(self))
  child.kill("SIGKILL")
  // Not reaped before the event loop turns: until then it is a zombie.
  while (isRunning(self));
  assert.equal(startOf(self.pid), null)
})

/** Tries to lock as soon as the second comes round, so that all four try together. */
const CONTENDER = `
  import { lockFolder } from "./src/kernel/embedded/lock.ts"
  while (Date.now() % 250 > 2);
  try {
    globalThis.held = lockFolder(process.argv[1])
    console.log("held")
  } catch (error) {
    console.log(error.code)
  }
  setInterval(() => undefined, 60_000)
`

async function ended(child: ReturnType<typeof run>): Promise<void> {
  const gone = new Promise((resolve) => child.once("exit", resolve))
  child.kill("SIGKILL")
  await gone
}
