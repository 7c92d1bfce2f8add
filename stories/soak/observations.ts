import { appendFileSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/**
 * What somebody who works with the servers was answered, written down where they were answered. The checker compares it
 * with the log: what an agent holds and the log does not know was given unrecorded.
 */
export type Observation = { atMs: number } & (
  | { kind: "enrolled"; instance: string }
  /** A session was opened or renewed, or a token fetched; `jti` is the token's. */
  | { kind: "token"; session: string; jti: string }
  | { kind: "decided"; session: string; entry: string; verdict: string; operation: string }
  | { kind: "leased"; session: string; lease: string; role: string; key?: string; entry?: string }
  | { kind: "renewed"; lease: string }
  /** Ending it was confirmed. */
  | { kind: "returned"; lease: string; isCut: boolean }
  | { kind: "ended"; session: string }
  | { kind: "outcome"; entry: string; outcome: string }
  | { kind: "applied"; digest: string }
  | { kind: "stopped" | "resumed"; agent: string }
  /** The call was refused, or failed; a no is what this program expects often. */
  | { kind: "refused"; call: string; code: string }
  /** What must not be, seen with one's own eyes. */
  | { kind: "wrong"; what: string }
)

/** An observation before it has its time. */
export type Seen = Observation extends infer Each ? (Each extends unknown ? Omit<Each, "atMs"> : never) : never

/** Writes each down at once, so that whoever is killed leaves them. */
export function openNotebook(path: string): (seen: Seen) => void {
  return (seen) => appendFileSync(path, `${JSON.stringify({ atMs: Date.now(), ...seen })}\n`)
}

/** Everything that was written down in a folder; a last line that a kill cut short is none. */
export function* readNotebooks(folder: string): Generator<Observation> {
  for (const name of readdirSync(folder).filter((each) => each.endsWith(".ndjson"))) {
    const lines = readFileSync(join(folder, name), "utf8").split("\n")
    // Whole lines end with a newline; what follows the last one is nothing or a torn line.
    lines.pop()
    for (const line of lines) {
      // Written in one piece, but after a kill another life of the same agent goes on behind a torn line.
      const parsed = parse(line)
      if (parsed !== null) yield parsed
    }
  }
}

function parse(line: string): Observation | null {
  try {
    return JSON.parse(line) as Observation
  } catch {
    return null
  }
}
