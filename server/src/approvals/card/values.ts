import { canonical, type Json } from "#kernel"
import { cut, isPlainWord } from "./text.ts"
import type { CardWords } from "./words.ts"

/** Entries of a list that are shown; of the others, how many they are. */
const MOST_ENTRIES = 8
/** Characters of one entry. */
const MOST_OF_ENTRY = 60

/** A value as people read it, in at most so many characters of a text. What is signed is the value itself. */
export function valueText(value: Json, most: number, words: CardWords): string {
  if (value === null) return words.nothing
  if (typeof value === "string") return quoted(value, most, words)
  if (typeof value === "number") return numberText(value, words)
  if (typeof value === "boolean") return value ? words.yes : words.no
  if (Array.isArray(value)) return listText(value, words)
  return cut(canonical(value), most, words.leftOut)
}

/** A list says first how long it is. */
function listText(list: readonly Json[], words: CardWords): string {
  if (list.length === 0) return words.entries(0)
  const shown = list.slice(0, MOST_ENTRIES).map((each) => {
    return Array.isArray(each)
      ? cut(canonical(each), MOST_OF_ENTRY, words.leftOut)
      : valueText(each, MOST_OF_ENTRY, words)
  })
  const more = list.length - shown.length
  return `${words.entries(list.length)}: ${shown.join(", ")}${more === 0 ? "" : ` … ${words.more(more)}`}`
}

/** A word as it is; anything else in quotation marks, which it cannot leave. */
export function quoted(text: string, most: number, words: CardWords): string {
  return isPlainWord(text) ? text : inQuotes(text, most, words)
}

/** In quotation marks, whatever it is. */
export function inQuotes(text: string, most: number, words: CardWords): string {
  const [open, close] = words.quotes
  const inside = cut(text, most, words.leftOut)
  return open + inside.replaceAll(/[“”„‟]/g, (mark) => `[U+${mark.codePointAt(0)!.toString(16).toUpperCase()}]`) + close
}

/**
 * A number with all its digits, by a rule of our own, which no other version of a library changes: groups of three from five
 * digits on, apart by a thin space (ISO 80000-1 §7.3.1), because a point or comma there means different things to different people.
 */
export function numberText(value: number, { decimal }: Pick<CardWords, "decimal">): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? []
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  const padded = digits.padStart(digits.length + Math.max(0, 1 - point), "0").padEnd(Math.max(1, point), "0")
  const at = Math.max(1, point)
  const rest = padded.slice(at)
  return sign + grouped(padded.slice(0, at)) + (rest === "" ? "" : decimal + rest)
}

function grouped(digits: string): string {
  return digits.length < 5 ? digits : digits.replaceAll(/(?<=\d)(?=(?:\d{3})+$)/g, "\u202f")
}
