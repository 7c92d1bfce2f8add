import { closeSync, openSync, readdirSync, readSync } from "node:fs"
import { join } from "node:path"
import type { Observation } from "./observations.ts"

/** What agents and operators wrote down so far, counted. */
export type Tally = {
  /** Answers of each kind. */
  answers: { [kind: string]: number }
  /** Refusals and failures by code; what a killed server leaves unanswered is among them. */
  refusals: { [code: string]: number }
}

/** Counts what was added to the notebooks since the last call, reading nothing twice. */
export function openTally(folder: string): () => Tally {
  const offsets = new Map<string, number>()
  const tally: Tally = { answers: {}, refusals: {} }
  const count = (counts: { [name: string]: number }, name: string) => {
    counts[name] = (counts[name] ?? 0) + 1
  }
  return () => {
    for (const name of readdirSync(folder)) {
      const { text, next } = readFrom(join(folder, name), offsets.get(name) ?? 0)
      offsets.set(name, next)
      for (const line of text.split("\n").filter((each) => each.startsWith("{") && each.endsWith("}"))) {
        const seen = JSON.parse(line) as Observation
        count(tally.answers, seen.kind)
        if (seen.kind === "refused") count(tally.refusals, `${seen.call} ${seen.code}`)
      }
    }
    return tally
  }
}

/** Whole lines from an offset on. */
function readFrom(path: string, from: number): { text: string; next: number } {
  const file = openSync(path, "r")
  try {
    const parts: Buffer[] = []
    for (let at = from; ; ) {
      const part = Buffer.alloc(65_536)
      const length = readSync(file, part, 0, part.length, at)
      if (length === 0) break
      parts.push(part.subarray(0, length))
      at += length
    }
    const bytes = Buffer.concat(parts)
    const end = bytes.lastIndexOf("\n") + 1
    return { text: bytes.subarray(0, end).toString("utf8"), next: from + end }
  } finally {
    closeSync(file)
  }
}
