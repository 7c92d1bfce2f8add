const UNITS = "one two three four five six seven eight nine".split(" ")
const TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(" ")
const TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split(" ")

const VALUES = new Map<string, number>([
  ...[...UNITS, ...TEENS].map((word, at) => [word, at + 1] as const),
  ...TENS.flatMap((ten, at) =>
    ["", ...UNITS].map((unit, more) => [unit === "" ? ten : `${ten}-${unit}`, 10 * (at + 2) + more] as const),
  ),
])

/** Beside one of these a number is a part of another one, or is not counted with. */
const PARTS = new Set([
  ...VALUES.keys(),
  ..."hundred hundreds thousand thousands million millions billion billions dozen dozens half halves quarter quarters".split(
    " ",
  ),
  ..."first second third thirds fourth fourths fifth fifths sixth seventh eighth ninth tenth tenths".split(" "),
  ..."point comma percent per % o'clock am pm a.m p.m".split(" "),
])

/** Between two numbers, one of these makes a sum, a range or a choice of them. */
const BETWEEN = new Set(["and", "or", "to", "by", "past", "times", "plus", "minus", "-", "–"])

/**
 * Numbers in English words, from two to ninety-nine, each in a word of its own. `one` is none: who says "this one" counts nothing.
 * Neither is a part of a longer number, a fraction, a time of day, a range or a choice: what that comes to is nobody else's to say.
 */
export function spelledNumbersIn(text: readonly string[]): number[] {
  const words = text.map((word) => word.toLowerCase().replaceAll(/^[([{<"'‘“]+|[)\]}>"'’”.,;:!?]+$/g, ""))
  const isPart = (at: number) => PARTS.has(words[at] ?? "") || /\d/.test(words[at] ?? "")
  const isJoined = (at: number, step: 1 | -1) =>
    isPart(at + step) ||
    (BETWEEN.has(words[at + step] ?? "") && (isPart(at + 2 * step) || words[at + 2 * step] === "a"))
  return words.flatMap((word, at) => {
    const value = VALUES.get(word) ?? 1
    return value > 1 && !isJoined(at, 1) && !isJoined(at, -1) ? [value] : []
  })
}
