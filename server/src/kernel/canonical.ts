import serialize from "canonicalize"
import { sha256 } from "./bytes.ts"
import { Refusal } from "./refusal.ts"

/** A JSON value (RFC 8259). */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

const MAX_DEPTH = 32

/** RFC 8785 canonical JSON. Throws `malformed-json` for what JSON cannot carry: NaN, lone surrogates, cycles, depth over 32. */
export function canonical(value: Json): string {
  check(value, 0)
  const text = serialize(value)
  if (text === undefined) throw new Refusal("malformed-json", "The value cannot be written as JSON.")
  return text
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
  const open: Set<string>[] = []
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch (cause) {
    throw new Refusal("malformed-json", "The body is not JSON.", { cause })
  }
  check(value, 0)
  // JSON.parse kept the last of two equal names; a second walk over the text finds that there were two.
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
  return value
}

function check(value: unknown, depth: number): void {
  if (depth > MAX_DEPTH) throw new Refusal("malformed-json", `The value is nested deeper than ${MAX_DEPTH} levels.`)
  if (typeof value === "string") {
    if (!value.isWellFormed())
      throw new Refusal("malformed-json", "A text holds half of a character (a lone surrogate).")
    return
  }
  if (value === null || typeof value === "boolean") return
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new Refusal("malformed-json", "A number is not finite.")
    return
  }
  if (Array.isArray(value)) {
    for (const item of value) check(item, depth + 1)
    return
  }
  if (typeof value === "object") {
    for (const [name, item] of Object.entries(value)) {
      check(name, depth)
      check(item, depth + 1)
    }
    return
  }
  throw new Refusal("malformed-json", "The value holds something that JSON has no form for.")
}
