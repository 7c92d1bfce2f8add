import { readFile, writeFile } from "node:fs/promises"
import {
  decodeEntries,
  LogError,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  parseNoteVerifier,
  parseTilePath,
  tileWidth,
} from "@safeconduct/tlog"
import { CommandError, exits, usage } from "./exit.ts"
import { FILES, inHome } from "./home.ts"
import { say } from "./output.ts"

/** An entry that tells of the log itself. */
export type LogEntry = { index: number; event: string; data: Record<string, unknown> }

/** Public keys as they are given, or in files that are; those that were kept at login where nothing is given. */
export async function readLogKeys(given: readonly string[] | undefined): Promise<string[]> {
  const read = async (each: string) => (isKey(each) ? [each] : linesOf(await readFile(each, "utf8").catch(noKey(each))))
  return (await Promise.all((given ?? [inHome(FILES.logKey)]).map(read))).flat()
}

/** Keeps a public key beside those that are there: what older ones signed is verified by them. */
export async function keepLogKey(vkey: string, path = inHome(FILES.logKey)): Promise<void> {
  const kept = linesOf(await readFile(path, "utf8").catch(() => ""))
  if (!kept.includes(vkey)) await writeFile(path, `${[...kept, vkey].join("\n")}\n`)
}

/** Those that are of this log, by their name; all of them for a log that does not say which it is. */
export function keysOf(origin: string | null, vkeys: readonly string[]): string[] {
  const own = vkeys.filter((vkey) => origin === null || parseNoteVerifier(vkey).name === origin)
  if (own.length > 0) return own
  const what = `There is no public key of ${origin} here. Get it from somebody you trust ("safeconduct audit key" prints it)`
  throw new CommandError(exits.notVerified, "not-verified", `${what}, and add it to ${inHome(FILES.logKey)}.`)
}

/** The log that a checkpoint says it is of, nothing verified; null for what is no checkpoint. */
export function originOfNote(note: Uint8Array | null): string | null {
  if (note === null) return null
  try {
    return parseCheckpoint(parseNote(note).text).origin
  } catch {
    return null
  }
}

/** Entries of a bundle that tell of the log itself: keys that were added, and the log before this one. */
export function ownEntries(path: string, bundle: Uint8Array): LogEntry[] {
  const name = parseTilePath(path)
  if (name === null) return []
  let texts: string[]
  try {
    texts = decodeEntries(bundle).map((entry) => new TextDecoder().decode(entry))
  } catch {
    // The verification says what is wrong with it.
    return []
  }
  return texts.flatMap((text, at) => {
    if (!text.includes('"event":"audit.log-')) return []
    try {
      const { event, data = {} } = JSON.parse(text) as { event: string; data?: Record<string, unknown> }
      return [{ index: name.index * tileWidth + at, event, data }]
    } catch {
      return []
    }
  })
}

/**
 * Keeps the keys that a verified log says take over from those that are trusted: the old key signed that entry. Without
 * this, everybody would have to be told of a rotation.
 */
export async function learnKeys(origin: string | null, known: readonly string[], entries: readonly LogEntry[]) {
  for (const { event, data } of entries) {
    const vkey = data["vkey"]
    if (event !== "audit.log-key-added" || typeof vkey !== "string" || !isKey(vkey) || known.includes(vkey)) continue
    if (parseNoteVerifier(vkey).name !== origin) continue
    await keepLogKey(vkey)
    say(`The log says that it is signed by another key as well, which is kept from now on: ${vkey}`)
  }
}

/**
 * A key that the log says is retired signs nothing new, so that whoever has it later cannot go on with the log by it.
 * Throws `not-verified` when no other key that is trusted signed the checkpoint.
 */
export async function refuseRetired(note: string, known: readonly string[], entries: readonly LogEntry[]) {
  const named = (name: string) =>
    entries.flatMap(({ event, data }) => (event === name && typeof data["vkey"] === "string" ? [data["vkey"]] : []))
  const retired = new Set(named("audit.log-key-retired"))
  if (retired.size === 0) return
  const inForce = [...known, ...named("audit.log-key-added").filter(isKey)].filter((vkey) => !retired.has(vkey))
  try {
    await openCheckpoint(note, inForce.map(parseNoteVerifier))
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    const message = "The checkpoint is signed by none but keys that the log itself says are retired."
    throw new CommandError(exits.notVerified, "not-verified", message)
  }
}

function isKey(text: string): boolean {
  return /^[^\s+]+\+[0-9a-f]{8}\+\S+$/.test(text)
}

function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
}

function noKey(path: string): () => never {
  return () => {
    const how = "Give the key itself, or a file with it; its owner publishes it (safeconduct audit key)."
    throw usage(`There is no public key in ${path}. ${how}`)
  }
}
