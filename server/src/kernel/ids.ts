import { randomOften } from "./bytes.ts"

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

/** An identifier such as `lease_…`: the kind of thing, and 130 random bits in lower-case Crockford base 32. */
export type Id<Kind extends string> = `${Kind}_${string}`

/** A new random identifier of that kind. */
export function newId<Kind extends string>(kind: Kind): Id<Kind> {
  return `${kind}_${randomText(26)}`
}

/** True when the text is an identifier of that kind in the exact form newId() makes. */
export function isId<Kind extends string>(kind: Kind, text: string): text is Id<Kind> {
  return text.startsWith(`${kind}_`) && /^[0-9a-hjkmnp-tv-z]{26}$/.test(text.slice(kind.length + 1))
}

/** Random lower-case base 32 text of that many characters, five bits each. */
export function randomText(length: number): string {
  const bytes = randomOften(length)
  let text = ""
  for (let at = 0; at < length; at++) text += ALPHABET[bytes[at]! & 31]
  return text
}
