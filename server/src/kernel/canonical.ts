import { sha256 } from "./bytes.ts"
import { Refusal } from "./refusal.ts"

/** A JSON value (RFC 8259). */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

const MAX_DEPTH = 32

/** RFC 8785 canonical JSON. Throws `malformed-json` for what JSON cannot carry: NaN, lone surrogates, cycles, depth over 32. */
export function canonical(value: Json): string {
  return write(value, 0)
}

/** SHA-256 of the canonical form: 32 bytes. */
export function digest(value: Json): Buffer {
  return sha256(canonical(value))
}

/**
 * Parses JSON and refuses with `malformed-json` what two parsers may read differently: duplicate names, lone surrogates,
 * whole numbers beyond 2^53 - 1, depth over 32. RFC 8259 §4 leaves duplicates open; RFC 7493 (I-JSON) §2.3 forbids them.
 */
export function parseJson(text: string): Json {
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch {
    // Without its cause, which quotes the text, and would be logged: passwords and users' words come in bodies.
    throw new Refusal("malformed-json", "The body is not JSON.")
  }
  const seen = { members: 0, isOdd: false }
  check(value, 0, seen)
  // JSON.parse keeps the last of two equal names: then the text has more members than the value.
  if (seen.isOdd || seen.members !== countMembers(text)) refuseAmbiguous(text)
  return value
}

/** RFC 8785 §3.2: names in the order of their UTF-16 code units; strings and numbers as ECMAScript writes them. */
function write(value: unknown, depth: number): string {
  if (depth > MAX_DEPTH) throw tooDeep()
  if (typeof value === "string") return writeText(value)
  if (typeof value === "number") return String(finite(value))
  if (value === null || typeof value === "boolean") return String(value)
  if (typeof value !== "object" || typeof (value as { toJSON?: unknown }).toJSON === "function") throw noForm()
  // Not map(), which passes over what an array lacks.
  if (Array.isArray(value)) return `[${Array.from(value, (item) => write(item, depth + 1)).join(",")}]`
  const kind = Object.getPrototypeOf(value) as unknown
  if (kind !== Object.prototype && kind !== null) throw noForm()
  let members = ""
  for (const name of Object.keys(value).sort()) {
    const item = write((value as { [name: string]: unknown })[name], depth + 1)
    members += `${members === "" ? "" : ","}${writeText(name)}:${item}`
  }
  return `{${members}}`
}

/** What needs no escape, as nearly everything we write: quoted by hand it costs half. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

function writeText(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(wellFormed(text))
}

/** `isOdd` when a closer look at the text is due: a name or a number that may not be what was sent. */
type Seen = { members: number; isOdd: boolean }

function check(value: Json, depth: number, seen: Seen): void {
  if (depth > MAX_DEPTH) throw tooDeep()
  if (typeof value === "string") wellFormed(value)
  else if (typeof value === "number") seen.isOdd ||= Number.isInteger(finite(value)) && !Number.isSafeInteger(value)
  else if (Array.isArray(value)) for (const item of value) check(item, depth + 1, seen)
  else if (value !== null && typeof value === "object") {
    for (const name of Object.keys(value)) {
      seen.members += 1
      seen.isOdd ||= name === "__proto__"
      wellFormed(name)
      check(value[name]!, depth + 1, seen)
    }
  }
}

/** How many members the objects of a JSON text have: its colons outside of strings. */
function countMembers(text: string): number {
  let count = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === COLON) count += 1
    else if (code === QUOTE) at = endOfString(text, at)
  }
  return count
}

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c

/** Where the string ends that begins at `from`; the text is JSON, so it does. */
function endOfString(text: string, from: number): number {
  for (let at = from + 1; ; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at
    if (code === BACKSLASH) at += 1
  }
}

/** Says what of a JSON text two parsers may read differently; returns when there is nothing. */
function refuseAmbiguous(text: string): void {
  const open: Set<string>[] = []
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|-?\d[\d.eE+-]*/g
  let previous = ""
  const kinds: string[] = []
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const part = match[0]
    if (part === "{") {
      open.push(new Set())
      kinds.push("{")
    } else if (part === "[") kinds.push("[")
    else if (part === "}" || part === "]") {
      if (kinds.pop() === "{") open.pop()
    } else if (part.startsWith('"') && kinds.at(-1) === "{" && (previous === "{" || previous === ",")) {
      const names = open.at(-1)!
      const name = JSON.parse(part) as string
      // Objects made of parsed JSON lose a member of this name without a word: what was checked would not be what is used.
      if (name === "__proto__") throw new Refusal("malformed-json", "The body names a member __proto__.")
      if (names.has(name)) throw new Refusal("malformed-json", "The body names one member twice.")
      names.add(name)
    } else if (/^-?\d+$/.test(part) && !Number.isSafeInteger(Number(part))) {
      // RFC 7493 §2.2: one parser keeps every digit, another rounds, and the digest would be of a number nobody sent.
      throw new Refusal("malformed-json", "A whole number is beyond 2^53 - 1. Send it as a text.")
    }
    previous = part
  }
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new Refusal("malformed-json", "A number is not finite.")
  return value
}

function wellFormed(text: string): string {
  if (text.isWellFormed()) return text
  throw new Refusal("malformed-json", "A text holds half of a character (a lone surrogate).")
}

function tooDeep(): Refusal {
  return new Refusal("malformed-json", `The value is nested deeper than ${MAX_DEPTH} levels.`)
}

function noForm(): Refusal {
  return new Refusal("malformed-json", "The value holds something that JSON has no form for.")
}
