import type { Scalar } from "../argument-rules.ts"
import { namesMoment } from "./dates.ts"
import { isIban, joinIbans } from "./iban.ts"
import { amountsIn, joinGroups, numbersIn } from "./numbers.ts"

/**
 * True when the value stands in the user's request as a whole: between spaces, or punctuation that begins or ends a word. Never
 * as a part of a longer word, number or address. The text is read in Unicode's NFKC, with single spaces, and a value has to be
 * so already, or be spelt in the text just as it is: what is carried out is the value as it came. Letters that only look alike
 * stay different. Upper and lower case count, but for e-mail addresses and IBANs, which people write in either. A day, also with
 * a time, stands there in whatever form people write it.
 */
export function standsIn(request: { readonly text: string }, value: Scalar): boolean {
  if (typeof value === "boolean") return false
  const { words, lower, capitals, numbers } = read(request)
  if (typeof value === "number") return numbers.has(value)
  const wanted = plain(value)
  // A value that is nothing, or no more than punctuation, would stand nearly everywhere.
  if (wanted.length > MAX_VALUE || !/[\p{L}\p{N}]/u.test(wanted) || wanted !== wanted.trim()) return false
  if (value !== wanted) return hasWhole(request.text, value)
  if (/^[^\s@]+@[^\s@]+$/.test(wanted)) return hasWhole(lower, wanted.toLowerCase())
  const iban = wanted.replaceAll(" ", "")
  return isIban(iban) ? hasWhole(capitals, capital(iban)) : hasWhole(words, wanted) || namesMoment(words, wanted)
}

/** True when the request says one of these words or phrases, in upper or lower case. */
export function says(request: { readonly text: string }, words: readonly string[]): boolean {
  const { lower } = read(request)
  return words.some((word) => hasWhole(lower, word.toLowerCase()))
}

/**
 * True when a name of something in our records stands in the request: a number only where it is written as an amount of money, so
 * that `my 100 latest orders` names no order over 100; a name of several words in upper or lower case, as people write it. One word
 * has to be as it stands there: somebody may be called Will, and whoever says what will be done does not speak of them.
 */
export function names(request: { readonly text: string }, name: Scalar): boolean {
  if (typeof name === "number") return read(request).amounts.has(name)
  if (standsIn(request, name)) return true
  return typeof name === "string" && isSeveralWords(name) && hasWhole(read(request).lower, name.toLowerCase())
}

function isSeveralWords(name: string): boolean {
  return name.length <= MAX_VALUE && /^[\p{L}\p{N}'’&.-]+(?: [\p{L}\p{N}'’&.-]+)+$/u.test(name) && plain(name) === name
}

const MAX_VALUE = 1_000

type Read = {
  words: string
  lower: string
  capitals: string
  numbers: ReadonlySet<number>
  amounts: ReadonlySet<number>
}

/** By identity, for as long as the mandate that it is in is held: a session compares with the same text again and again. */
const known = new WeakMap<object, Read>()

function read(request: { readonly text: string }): Read {
  const before = known.get(request)
  if (before !== undefined) return before
  const words = joinIbans(plain(request.text))
  const [numbers, amounts] = [numbersIn(request.text), amountsIn(request.text)]
  const text = { words, lower: words.toLowerCase(), capitals: capital(words), numbers, amounts }
  known.set(request, text)
  return text
}

/** What may stand between a space and the word that it begins. */
const OPENING = "([{<\"'‘’“”„«»`#\\p{Sc}"
/** What may stand between a word and the space that ends it. */
const CLOSING = "\\])}>\"'‘’“”«»`.,;:!?\\p{Sc}"

/** Spaces as one space each, but within numbers; what NFKC would turn into a digit of its neighbours (½, 5²) is no character of any value. */
function plain(text: string): string {
  return joinGroups(text.replaceAll(/\p{No}/gu, "\u{fffd}"))
    .normalize("NFKC")
    .replaceAll(/\s+/gu, " ")
}

/** ASCII alone: some other letters have one of these as their capital. */
function capital(text: string): string {
  return text.replaceAll(/[a-z]/g, (letter) => letter.toUpperCase())
}

function hasWhole(text: string, wanted: string): boolean {
  return !placesOf(text, wanted).next().done
}

/** Places in a text at which something stands as a whole. */
export function* placesOf(text: string, wanted: string): Generator<number> {
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + 1)) {
    if (beginsAt(text, at) && endsAt(text, at + wanted.length)) yield at
  }
}

const opening = new RegExp(`[${OPENING}]`, "u")
/** `Bob's` says Bob: what belongs to somebody names them. */
const ending = new RegExp(`(?:['’]s)?[${CLOSING}]*(?:\\s|$)`, "uy")

/** `O'Brien` does not begin a word at its B: before the punctuation there has to be a space, or nothing. */
function beginsAt(text: string, at: number): boolean {
  let before = at - 1
  while (before >= 0 && opening.test(text.charAt(before))) before -= 1
  return before < 0 || /\s/.test(text.charAt(before))
}

function endsAt(text: string, at: number): boolean {
  ending.lastIndex = at
  return ending.test(text)
}
