import type { Scalar } from "../argument-rules.ts"
import { numbersIn } from "./numbers.ts"

/**
 * True when the value stands in the user's request as a whole: between spaces, or punctuation that begins or ends a word. Never
 * as a part of a longer word, number or address. Both are compared in Unicode's NFKC; letters that only look alike stay
 * different. Upper and lower case count, but for e-mail addresses and IBANs, which people write in either.
 */
export function standsIn(text: string, value: Scalar): boolean {
  if (typeof value === "boolean") return false
  if (typeof value === "number") return numbersIn(text).has(value)
  const [request, wanted] = [plain(text), plain(value)]
  // A value that is nothing, or no more than punctuation, would stand nearly everywhere.
  if (wanted.length > MAX_VALUE || !/[\p{L}\p{N}]/u.test(wanted) || wanted !== wanted.trim()) return false
  if (/^[^\s@]+@[^\s@]+$/.test(wanted)) return hasWhole(request.toLowerCase(), wanted.toLowerCase())
  return hasWhole(request, wanted) || hasIban(request, wanted)
}

const MAX_VALUE = 1_000

/** What may stand between a space and the word that it begins. */
export const OPENING = "([{<\"'‘’“”„«»`#\\p{Sc}"
/** What may stand between a word and the space that ends it. */
export const CLOSING = "\\])}>\"'‘’“”«»`.,;:!?\\p{Sc}"

/** Spaces as one space each; what NFKC would turn into a digit of its neighbours (½, 5²) is no character of any value. */
function plain(text: string): string {
  return text
    .replaceAll(/\p{No}/gu, "\u{fffd}")
    .normalize("NFKC")
    .replaceAll(/\s+/gu, " ")
}

function hasWhole(text: string, wanted: string): boolean {
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + 1)) {
    if (beginsAt(text, at) && endsAt(text, at + wanted.length)) return true
  }
  return false
}

const opening = new RegExp(`[${OPENING}]`, "u")
const ending = new RegExp(`[${CLOSING}]*(?: |$)`, "uy")

/** `O'Brien` does not begin a word at its B: before the punctuation there has to be a space, or nothing. */
function beginsAt(text: string, at: number): boolean {
  let before = at - 1
  while (before >= 0 && opening.test(text.charAt(before))) before -= 1
  return before < 0 || text.charAt(before) === " "
}

function endsAt(text: string, at: number): boolean {
  ending.lastIndex = at
  return ending.test(text)
}

/** An IBAN (ISO 13616) however it is grouped. Its check digits keep two words from becoming one by chance. */
function hasIban(text: string, wanted: string): boolean {
  const iban = wanted.replaceAll(" ", "").toUpperCase()
  if (!isIban(iban)) return false
  const words = text.split(" ").map((word) => word.replace(edges, ""))
  return words.some((_, first) => {
    let joined = ""
    for (let at = first; at < words.length && joined.length < iban.length; at++) {
      // ASCII alone: some other letters have one of these as their capital.
      if (!/^[A-Za-z0-9]+$/.test(words[at]!)) return false
      joined += words[at]!.toUpperCase()
    }
    return joined === iban
  })
}

const edges = new RegExp(`^[${OPENING}]+|[${CLOSING}]+$`, "gu")

/** ISO 7064 MOD 97-10 over the number that ISO 13616 makes of an IBAN. */
function isIban(text: string): boolean {
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/.test(text)) return false
  const digits = (text.slice(4) + text.slice(0, 4)).replaceAll(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 55))
  return BigInt(digits) % 97n === 1n
}
