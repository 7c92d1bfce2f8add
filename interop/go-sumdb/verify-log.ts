import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { parseProof, readEntries, verifyLog, verifyReceipt } from "@safeconduct/tlog"
import { folderReader } from "@safeconduct/tlog/folder"

// Our verifier over a log that Go wrote: the whole log with its older checkpoint, then its receipt.
const { values } = parseArgs({ options: { log: { type: "string" } } })
if (values.log === undefined) throw new Error("--log <folder> is missing")
const [vkey, older, receipt] = await Promise.all(
  ["vkey", "older", "receipt.tlog-proof"].map((file) => readFile(join(values.log!, file), "utf8")),
)
const reader = folderReader(values.log)
const log = await verifyLog(reader, vkey!, { older: older! })
say(log.ok, `verifyLog of Go's log: ${log.size} entries, root ${log.root}`, log.problems)

const { index } = parseProof(receipt!)
const bundle = Math.floor(index / 256)
const entries = await readEntries(reader, bundle, Math.min(256, log.size! - bundle * 256))
const proof = await verifyReceipt(receipt!, entries[index % 256]!, vkey!)
say(proof.ok, `verifyReceipt of Go's receipt: entry ${proof.index} of ${proof.size}`, proof.problems)

function say(ok: boolean, what: string, problems: { code: string; message: string }[]): void {
  console.log(`${ok ? "pass" : "FAIL"}  ${what}`)
  for (const { code, message } of problems) console.log(`      ${code}: ${message}`)
  if (!ok) process.exitCode = 1
}
