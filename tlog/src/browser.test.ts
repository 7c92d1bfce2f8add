import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { readdir, readFile } from "node:fs/promises"
import { test } from "node:test"
import { promisify } from "node:util"

const src = new URL("./", import.meta.url)

test("nothing but the two files that say so needs Node", async () => {
  const files = (await readdir(src)).filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
  assert.ok(files.includes("hash.ts"))
  const needing: string[] = []
  for (const file of files) {
    const text = await readFile(new URL(file, src), "utf8")
    if (/from "node:|\bBuffer\.|\bprocess\./.test(text)) needing.push(file)
  }
  assert.deepEqual(needing, ["folder.ts", "hash.ts"])
})

test("with the condition `browser` the package hashes without Node and verifies a receipt", async () => {
  const script = `
    import { readFileSync } from "node:fs"
    import { sha256 } from "#hash"
    import { verifyReceipt } from "@safeconduct/tlog"
    const { vkey, verified } = JSON.parse(readFileSync("../contract/vectors/tlog-receipts.json", "utf8"))
    const entry = Uint8Array.from(verified[1].entry.match(/../g), (hex) => Number.parseInt(hex, 16))
    const { ok, index } = await verifyReceipt(verified[1].receipt, entry, vkey)
    console.log(JSON.stringify({ ok, index, isOwn: sha256.toString().includes("compress(") }))`
  const conditions = ["--conditions=source", "--conditions=browser", "--input-type=module"]
  const cwd = new URL("../", src)
  const { stdout } = await promisify(execFile)(process.execPath, [...conditions, "--eval", script], { cwd })
  assert.deepEqual(JSON.parse(stdout), { ok: true, index: 7, isOwn: true })
})
