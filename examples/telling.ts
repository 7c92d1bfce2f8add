/** How the demos speak: a line for each step, with the time that it took. */
import type { Transport } from "@safeconduct/sdk"
import { leafHash, parseNoteVerifier, verifyProof } from "@safeconduct/tlog"

/** An entry of the log, as an operator reads it. */
export type Entry = {
  id: string
  index: number
  text: string
  leaf: { event: string; user?: string; application?: string; data?: Record<string, unknown> }
}

const interrupted = new AbortController()
// What was started would outlive it. The step under way ends first; a second signal does not wait.
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => interrupted.abort(new Error("Interrupted: all is stopped and removed.")))

/** Does something, and tells how long it took unless it is quiet. */
export async function timed<T>(what: string, work: () => Promise<T>, isQuiet = false): Promise<T> {
  const began = performance.now()
  // Before and not after it: what it starts is to be held by whoever stops it.
  interrupted.signal.throwIfAborted()
  const result = await work()
  if (!isQuiet) line(performance.now() - began, what)
  return result
}

/** Begins a part. */
export function heading(text: string): void {
  say(`\n${text}`)
}

/** A step and its time. */
export function line(ms: number, text: string): void {
  say(`  ${`${ms.toFixed(0)} ms`.padStart(9)}   ${text}`)
}

const WIDTH = 110

/** What belongs to the step before, in lines that a terminal can show. */
export function detail(text: string): void {
  let line = ""
  for (const word of text.split(" ")) {
    if (line.length + word.length >= WIDTH) {
      say(`              ${line}`)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  say(`              ${line}`)
}

/** Milliseconds as a person says them. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** One line. */
export function say(text: string): void {
  console.log(text)
}

/** Verifies the receipt of each entry with the public key and nothing else. Throws for one that does not. */
export async function verifyReceipts(operator: Transport, entries: readonly Entry[], logKey: string): Promise<void> {
  const verifier = parseNoteVerifier(logKey)
  const receipts = await Promise.all(
    entries.map(async ({ id }) => {
      const { bytes } = await operator.send({ method: "GET", path: `/v1/audit/receipts/${id}` })
      return bytes.toString("utf8")
    }),
  )
  await timed(`${entries.length} receipts verified offline with the public key alone`, async () => {
    for (const [at, { text }] of entries.entries())
      await verifyProof(receipts[at]!, leafHash(Buffer.from(text)), verifier)
  })
}

/** Entries of a session, once the last of its leases was read back as gone. */
export async function revokedEntries(operator: Transport, session: string): Promise<Entry[]> {
  for (;;) {
    const path = `/v1/audit/entries?session=${session}&limit=100`
    const { entries } = await operator.json<{ entries: Entry[] }>({ method: "GET", path })
    const count = (event: string) => entries.filter(({ leaf }) => leaf.event === event).length
    if (count("credentials.lease-revoked") >= Math.max(1, count("credentials.lease-issued"))) return entries
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
