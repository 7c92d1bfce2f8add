import { parseArgs } from "node:util"
import { flips, forgeries, verifyExport, verifyForged } from "../forgeries.ts"
import { growLog } from "../real-log.ts"

// Grows the log of a real server and leaves in a folder: log/, log.vkey, older, *.tlog-proof. Then tries `audit verify` on it.
const { values } = parseArgs({
  options: {
    to: { type: "string" },
    entries: { type: "string", default: "10000" },
    flips: { type: "string", default: "10" },
  },
})
if (values.to === undefined) throw new Error("--to <folder> is missing")
const began = performance.now()
const log = await growLog(values.to, Number(values.entries))
const seconds = ((performance.now() - began) / 1000).toFixed(1)
console.log(`pass  a server recorded ${log.size} entries and served them in ${seconds} s, signed by ${log.signer.name}`)

console.log("# safeconduct audit verify checks it")
for (const older of [log.older, null]) {
  const { code, problems } = await verifyExport(log, older)
  say(code === 0, `the export is accepted ${older === null ? "alone" : "with the older checkpoint"}`, problems)
}
/** Flipped bytes share a line. */
const found = new Map<string, { isFound: boolean; times: number; problems: string[] }>()
for (const forgery of [...flips(Number(values.flips)), ...forgeries]) {
  const { code, problems, detail } = await verifyForged(log, forgery)
  const isFound = code === 8 && (forgery.finds === undefined || problems.includes(forgery.finds))
  if (!isFound) console.log(`      exit status ${code}: ${forgery.what} ${detail ?? ""}`)
  const before = found.get(forgery.what) ?? { isFound: true, times: 0, problems: [] }
  found.set(forgery.what, {
    isFound: before.isFound && isFound,
    times: before.times + 1,
    problems: [...before.problems, ...problems],
  })
}
for (const [what, { isFound, times, problems }] of found) {
  say(isFound, `${what} is found${times > 1 ? `, ${times} times of ${times}` : ""}`, problems)
}

function say(ok: boolean, what: string, problems: string[]): void {
  const codes = [...new Set(problems)].toSorted()
  console.log(`${ok ? "pass" : "FAIL"}  ${what}${codes.length > 0 ? `: ${codes.join(", ")}` : ""}`)
  if (!ok) process.exitCode = 1
}
