import { withoutDays } from "./dates.ts"
import { joinIbans } from "./iban.ts"
import { spelledNumbersIn } from "./number-words.ts"

/**
 * The numbers that stand in a text as words of their own: `50`, `$50`, `EUR 1,234.50`, `1.234,50 €`, `1'234`. A date or a part of
 * one, a range, a percentage, a number with leading zeros and a part of a longer word are none.
 *
 * One separator before three digits can be read two ways. A comma there groups (`1,500` is fifteen hundred: money has two
 * decimals); a point there is a decimal point, as programs write it. The other reading is not taken, so that nobody else can
 * choose between them. From two to ninety-nine, a number may also be an English word: `six`, `forty-two`.
 */
export function numbersIn(text: string): Set<number> {
  const words = wordsOf(text)
  return new Set([...words.flatMap(numberOf), ...spelledNumbersIn(words)])
}

/** Those of them that are written as amounts of money: with two decimals, or a currency beside them. */
export function amountsIn(text: string): Set<number> {
  const words = wordsOf(text)
  const isAmount = (word: string, at: number) =>
    /\d/.test(word) && (isMoney(word) || isCurrency(words[at - 1]) || isCurrency(words[at + 1]))
  const amounts = words.filter(isAmount)
  return new Set(amounts.flatMap(numberOf))
}

function wordsOf(text: string): string[] {
  const plain = joinGroups(text.replaceAll(/\p{No}/gu, "\u{fffd}"))
    .normalize("NFKC")
    .replaceAll(/\s+/gu, " ")
  return joinIbans(withoutDays(plain)).split(" ")
}

function isMoney(word: string): boolean {
  const inner = word.replace(/^[([{<"'‘’“”„«»`#]+/u, "").replace(/[\])}>"'‘’“”«»`.,;:!?]+$/u, "")
  return /^\p{Sc}|\p{Sc}$|[.,]\d\d$|[.,][-–]+$/u.test(inner) || bare(word) !== inner
}

function isCurrency(word = ""): boolean {
  const inner = word.replaceAll(/^[(]+|[),.;:!?]+$/g, "")
  return currencies.has(inner) || /^\p{Sc}$|^(?:dollars?|euros?|pounds?|francs?)$/iu.test(inner)
}

/** The text before NFKC: spaces that do not break lines group digits, and it would make ordinary spaces of them. */
export function joinGroups(text: string): string {
  return text.replaceAll(/(?<=\d)[\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))/gu, "'")
}

const opening = /^[([{<"'‘’“”„«»`#\p{Sc}]+/u
const closing = /[\])}>"'‘’“”«»`.,;:!?\p{Sc}]+$/u

const currencies = new Set(Intl.supportedValuesOf("currency"))

/** Without what begins and ends words, and without a currency. */
function bare(word: string): string {
  // 50.– and 50,- stand for 50.00.
  const inner = word
    .replace(opening, "")
    .replace(closing, "")
    .replace(/[.,][-–]+$/u, "")
  const [, before = "", number = inner, after = ""] = /^([A-Z]{3})?(-?\d.*?)([A-Z]{3})?$/u.exec(inner) ?? []
  const isMoney = [before, after].every((code) => code === "" || currencies.has(code))
  return isMoney ? number : inner
}

/** More digits than a number keeps would make two numbers one. */
const MAX_DIGITS = 15

/** Sign, whole part and decimals; the first that fits counts. */
const FORMS = [
  /^(-?)([1-9]\d{0,2}(?:,\d{3})+)(?:\.(\d+))?$/, // 1,500 · 1,500.25
  /^(-?)([1-9]\d{0,2}(?:\.\d{3})+),(\d+)$/, // 1.500,25
  /^(-?)([1-9]\d{0,2}(?:\.\d{3}){2,})$/, // 1.500.000
  /^(-?)([1-9]\d{0,2}(?:'\d{3})+)(?:[.,](\d+))?$/, // 1'500 · 1'500.25
  /^(-?)(0|[1-9]\d*)(?:[.,](\d+))?$/, // 1500 · 15.25 · 15,25 · 0,125 · 1.500, which is one and a half
]

/** None, or one. */
function numberOf(word: string): number[] {
  if (!/\d/.test(word)) return []
  const number = bare(word)
  for (const form of FORMS) {
    const [, sign, whole, decimals = ""] = form.exec(number) ?? []
    if (whole === undefined) continue
    const digits = whole.replaceAll(/\D/g, "")
    return digits.length + decimals.length > MAX_DIGITS ? [] : [Number(`${sign}${digits}.${decimals}0`)]
  }
  return []
}
